import { type Clock, noLongerNeeded } from '../shared/clock.ts';
import type { Telemetry, TracePoint } from '../shared/telemetry.ts';
import type { OutgoingRecord } from './ports.ts';

/** Carries records of one topic to where they are kept; fates stand in the order of the records. */
export type Carry<Fate> = (topic: string, records: readonly OutgoingRecord[]) => Promise<readonly Fate[]>;

export interface BatcherLimits {
  /** How long a record waits for others while a call for its topic is under way; on an idle line it never waits. */
  readonly lingerMs: number;
  readonly batchRecordsMax: number;
  readonly batchBytesMax: number;
  /** Calls under way at once for one topic. */
  readonly callsMax: number;
}

/** What a batcher is made of. */
export interface BatcherOptions<Fate> {
  readonly carry: Carry<Fate>;
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, 'here' | 'onBehalfOf'>;
  readonly limits: BatcherLimits;
}

/**
 * Lets the records of concurrent callers travel together, one line a topic, shared by all invocations of an
 * instance. On an idle line a record leaves at once. While a call is under way, records gather until it ends, or
 * the batch is full, or the first of them has waited `lingerMs`; so a line is never slower than the log, and calls
 * grow with the load. Each caller gets the fates of its own records. A carrier that throws fails the callers of
 * that one call.
 */
export function createBatcher<Fate>(options: BatcherOptions<Fate>): Carry<Fate> {
  const lines = new Map<string, Line<Fate>>();
  return (topic, records) => {
    let line = lines.get(topic);
    if (line === undefined) {
      line = new Line(topic, options, () => lines.delete(topic));
      lines.set(topic, line);
    }
    return line.add(records);
  };
}

interface Waiting<Fate> {
  readonly record: OutgoingRecord;
  readonly bytes: number;
  /** The trace of its caller, who may be another than the one whose call is the occasion to send it. */
  readonly point: TracePoint;
  readonly settle: (fate: Fate) => void;
  readonly fail: (error: unknown) => void;
}

class Line<Fate> {
  readonly #topic: string;
  readonly #options: BatcherOptions<Fate>;
  readonly #onIdle: () => void;
  #waiting: Waiting<Fate>[] = [];
  #waitingBytes = 0;
  #calls = 0;
  #toSend = false;
  #lingering: AbortController | undefined;

  constructor(topic: string, options: BatcherOptions<Fate>, onIdle: () => void) {
    this.#topic = topic;
    this.#options = options;
    this.#onIdle = onIdle;
  }

  add(records: readonly OutgoingRecord[]): Promise<readonly Fate[]> {
    const fates = new Array<Fate>(records.length);
    let left = records.length;
    if (left === 0) return Promise.resolve(fates);
    const point = this.#options.telemetry.here();
    return new Promise((resolve, reject) => {
      for (const [index, record] of records.entries()) {
        const settle = (fate: Fate) => {
          fates[index] = fate;
          left -= 1;
          if (left === 0) resolve(fates);
        };
        this.#enqueue({ record, bytes: sizeOf(record), point, settle, fail: reject });
      }
    });
  }

  #enqueue(waiting: Waiting<Fate>): void {
    this.#waiting.push(waiting);
    this.#waitingBytes += waiting.bytes;
    if (this.#toSend) return;
    this.#toSend = true;
    // What one caller adds in one go leaves in one go.
    queueMicrotask(() => {
      this.#toSend = false;
      this.#send(false);
    });
  }

  /** Sends what is to be sent now; `due` when there is a reason to send a batch that is not full. */
  #send(due: boolean): void {
    const { callsMax } = this.#options.limits;
    let pending = due;
    while (
      this.#waiting.length > 0 &&
      this.#calls < callsMax &&
      (pending || this.#calls === 0 || this.#isFull())
    ) {
      pending = false;
      void this.#call(this.#take());
    }
    if (this.#waiting.length > 0) this.#linger();
    else this.#lingering?.abort(noLongerNeeded);
  }

  #isFull(): boolean {
    const { batchRecordsMax, batchBytesMax } = this.#options.limits;
    return this.#waiting.length >= batchRecordsMax || this.#waitingBytes >= batchBytesMax;
  }

  /** The next batch: as many as fit, and always one. */
  #take(): Waiting<Fate>[] {
    const { batchRecordsMax, batchBytesMax } = this.#options.limits;
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      if (count === batchRecordsMax || (count > 0 && bytes + waiting.bytes > batchBytesMax)) break;
      bytes += waiting.bytes;
      count += 1;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  async #call(batch: readonly Waiting<Fate>[]): Promise<void> {
    this.#calls += 1;
    try {
      const { carry, telemetry } = this.#options;
      const records = batch.map(({ record }) => record);
      const points = batch.map(({ point }) => point);
      const fates = await telemetry.onBehalfOf(points, () => carry(this.#topic, records));
      for (const [index, { settle, fail }] of batch.entries()) {
        const fate = fates[index];
        if (fate === undefined) fail(new Error(`nothing was said of a record for ${this.#topic}`));
        else settle(fate);
      }
    } catch (error) {
      for (const { fail } of batch) fail(error);
    } finally {
      this.#calls -= 1;
      this.#send(true);
      if (this.#calls === 0 && this.#waiting.length === 0) this.#onIdle();
    }
  }

  #linger(): void {
    if (this.#lingering !== undefined) return;
    const lingering = new AbortController();
    this.#lingering = lingering;
    const { clock, limits } = this.#options;
    clock.sleep(limits.lingerMs, lingering.signal).then(
      () => {
        this.#lingering = undefined;
        this.#send(true);
      },
      () => {
        this.#lingering = undefined;
      },
    );
  }
}

/** The size of a record in a request, near enough for a limit. */
function sizeOf(record: OutgoingRecord): number {
  return JSON.stringify(record).length;
}
