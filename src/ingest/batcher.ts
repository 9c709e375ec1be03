import { type Clock, noLongerNeeded } from '../shared/clock.ts';
import type { Telemetry, TracePoint } from '../shared/telemetry.ts';
import type { OutgoingRecord } from './ports.ts';

/** Carries records of one topic to where they are kept; fates stand in the order of the records. */
export type Carry<Fate> = (topic: string, records: readonly OutgoingRecord[]) => Promise<readonly Fate[]>;

/** How long records gather, and how much travels at once. */
export interface BatcherLimits {
  /** How long a record waits for others while calls for its topic are under way; on an idle line it never waits. */
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
 * instance. On an idle line a record leaves at once. While calls are under way, records gather until they are an
 * equal share, one of `callsMax`, of all that waits or travels, or the batch is full, or the first of them has waited
 * `lingerMs`; so a line is never slower than the log, calls grow with the load, and they end one after the other:
 * one large call would bring its answers, and then the next events, all at the same moment. Each caller gets the
 * fates of its own records. A carrier that throws fails the callers of that one call.
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

/** Who waits for the fates of its records. */
interface Caller<Fate> {
  readonly fates: Fate[];
  /** Records whose fate is not known yet. */
  left: number;
  /** Its trace: what waits may be sent in the course of another caller's. */
  readonly point: TracePoint;
  readonly resolve: (fates: readonly Fate[]) => void;
  readonly fail: (error: unknown) => void;
}

interface Waiting<Fate> {
  readonly record: OutgoingRecord;
  readonly bytes: number;
  readonly caller: Caller<Fate>;
  /** The record's place among those of its caller. */
  readonly index: number;
}

class Line<Fate> {
  readonly #topic: string;
  readonly #options: BatcherOptions<Fate>;
  readonly #onIdle: () => void;
  #waiting: Waiting<Fate>[] = [];
  #waitingBytes = 0;
  #calls = 0;
  /** Records that travel in these calls. */
  #underWay = 0;
  #toSend = false;
  #lingering: AbortController | undefined;

  constructor(topic: string, options: BatcherOptions<Fate>, onIdle: () => void) {
    this.#topic = topic;
    this.#options = options;
    this.#onIdle = onIdle;
  }

  add(records: readonly OutgoingRecord[]): Promise<readonly Fate[]> {
    if (records.length === 0) return Promise.resolve([]);
    return new Promise((resolve, fail) => {
      const fates = new Array<Fate>(records.length);
      const point = this.#options.telemetry.here();
      const caller = { fates, left: records.length, point, resolve, fail };
      for (const [index, record] of records.entries()) {
        const bytes = sizeOf(record);
        this.#waiting.push({ record, bytes, caller, index });
        this.#waitingBytes += bytes;
      }
      this.#sendSoon();
    });
  }

  /** What is added in one go leaves in one go. */
  #sendSoon(): void {
    if (this.#toSend) return;
    this.#toSend = true;
    queueMicrotask(() => {
      this.#toSend = false;
      this.#send(false);
    });
  }

  /** Sends what is to be sent now; `due` when there is a reason to send a batch that is not large enough. */
  #send(due: boolean): void {
    const { callsMax } = this.#options.limits;
    let pending = due;
    while (this.#waiting.length > 0 && this.#calls < callsMax && (pending || this.#isEnough())) {
      pending = false;
      void this.#call(this.#take());
    }
    // Where all calls are taken, the first that ends takes what waits.
    if (this.#waiting.length > 0 && this.#calls < callsMax) this.#linger();
    else this.#stopLingering();
  }

  #isEnough(): boolean {
    const { batchRecordsMax, batchBytesMax, callsMax } = this.#options.limits;
    const share = Math.ceil((this.#waiting.length + this.#underWay) / callsMax);
    return this.#waiting.length >= Math.min(share, batchRecordsMax) || this.#waitingBytes >= batchBytesMax;
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
    this.#underWay += batch.length;
    try {
      const { carry, telemetry } = this.#options;
      const records = batch.map(({ record }) => record);
      const points = batch.map(({ caller }) => caller.point);
      const fates = await telemetry.onBehalfOf(points, () => carry(this.#topic, records));
      for (const [index, waiting] of batch.entries()) {
        const fate = fates[index];
        if (fate === undefined) {
          waiting.caller.fail(new Error(`nothing was said of a record for ${this.#topic}`));
        } else settle(waiting, fate);
      }
    } catch (error) {
      for (const { caller } of batch) caller.fail(error);
    } finally {
      // Where all calls were taken, what waits has waited for this one.
      const due = this.#calls === this.#options.limits.callsMax;
      this.#calls -= 1;
      this.#underWay -= batch.length;
      this.#send(due);
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
      () => undefined,
    );
  }

  #stopLingering(): void {
    this.#lingering?.abort(noLongerNeeded);
    this.#lingering = undefined;
  }
}

function settle<Fate>({ caller, index }: Waiting<Fate>, fate: Fate): void {
  caller.fates[index] = fate;
  caller.left -= 1;
  if (caller.left === 0) caller.resolve(caller.fates);
}

/** The size of a record in a request, near enough for a limit. */
function sizeOf(record: OutgoingRecord): number {
  return JSON.stringify(record).length;
}
