import { type Clock, noLongerNeeded } from '../shared/clock.ts';
import { describeError, SluiceError } from '../shared/error.ts';
import type { Log } from '../shared/log.ts';
import type { Telemetry } from '../shared/telemetry.ts';
import type { Carry } from './batcher.ts';
import { RecordTooLargeError } from './outbox-ports.ts';
import type { OutgoingRecord, WriteOutcome, WriteRecords } from './ports.ts';

/**
 * Where a record ended: confirmed by the log, in the outbox, given up with its payload kept, or nowhere, so that
 * its sender must send it again.
 */
export type Fate =
  | { readonly kind: 'produced'; readonly partition?: number; readonly offset?: bigint }
  | { readonly kind: 'queued' }
  | { readonly kind: 'dead-lettered'; readonly code: string; readonly message: string }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

/** The outbox, as far as the way in needs it. Both methods throw when storage cannot be reached. */
export interface OutboxEntrance {
  /** Resolves when the records are stored durably. */
  add(topic: string, records: readonly OutgoingRecord[], nowMs: number): Promise<void>;
  /** Whether records of the topic wait in the outbox. */
  hasBacklog(topic: string): Promise<boolean>;
}

/** A record that can never be produced, and why. */
export interface IngestDeadLetter {
  readonly topic: string;
  readonly record: OutgoingRecord;
  readonly code: string;
  readonly message: string;
}

/** What keeping needs. */
export interface KeepOptions {
  readonly write: WriteRecords;
  /** Undefined: what cannot be produced at once is the sender's to send again. */
  readonly outbox: OutboxEntrance | undefined;
  /** `strict`: records of a topic queue behind those that wait in the outbox. */
  readonly ordering: 'strict' | 'relaxed';
  /** Resolves when the letter is stored durably, and logged. */
  readonly deadLetter: (letter: IngestDeadLetter) => Promise<void>;
  /** A log that takes longer than this is taken for away. */
  readonly answerWithinMs: number;
  readonly clock: Clock;
  readonly report: Log;
  readonly telemetry: Telemetry;
}

/** How long a topic whose log failed is not tried again; its records go to the outbox meanwhile. */
const awayMs = 2_000;

/**
 * Keeps records: in the log, else in the outbox, else among the dead letters. Only what found no place at all has
 * failed. A failure that says nothing of whether the log took the record (a broken connection) also leads to the
 * outbox: twice is allowed, never is not.
 */
export function createKeep(options: KeepOptions): Carry<Fate> {
  const { clock, telemetry } = options;
  const awayUntilMs = new Map<string, number>();

  return async (topic, records) => {
    if (clock.now() < (awayUntilMs.get(topic) ?? 0)) return queue(options, topic, records);
    const queued = await queueBehindBacklog(options, topic, records);
    if (queued !== undefined) return queued;

    const startedAtMs = clock.now();
    const outcomes = await telemetry.span(
      'sluice.produce',
      { topic, records: records.length },
      async (fail) => {
        const written = await inTime(options, topic, records);
        const failure = written.find((outcome) => !outcome.ok);
        if (failure !== undefined) fail(failure.code);
        return written;
      },
    );
    telemetry.duration('sluice.produce.duration', clock.now() - startedAtMs, { topic });
    telemetry.record('sluice.produce.records', '{record}', records.length, { topic });
    telemetry.count('sluice.produced', outcomes.filter(({ ok }) => ok).length, { topic });
    if (outcomes.some(isPassing)) awayUntilMs.set(topic, clock.now() + awayMs);
    else awayUntilMs.delete(topic);
    return settle(options, topic, records, outcomes);
  };
}

/** Writes, but waits no longer than senders do; what comes of it later no longer matters to them. */
async function inTime(
  { write, clock, answerWithinMs }: KeepOptions,
  topic: string,
  records: readonly OutgoingRecord[],
): Promise<readonly WriteOutcome[]> {
  const ended = new AbortController();
  const overdue = clock.sleep(answerWithinMs, ended.signal).then(
    () =>
      records.map(
        (): WriteOutcome => ({
          ok: false,
          code: 'ingest.overdue',
          message: `no answer within ${answerWithinMs} ms`,
        }),
      ),
    () => [],
  );
  try {
    return await Promise.race([write(topic, records), overdue]);
  } finally {
    ended.abort(noLongerNeeded);
  }
}

/** A failure that time may mend. */
function isPassing(outcome: WriteOutcome | undefined): boolean {
  return outcome === undefined || (!outcome.ok && !outcome.lasting);
}

async function queueBehindBacklog(
  options: KeepOptions,
  topic: string,
  records: readonly OutgoingRecord[],
): Promise<readonly Fate[] | undefined> {
  if (options.ordering === 'relaxed' || options.outbox === undefined) return undefined;
  try {
    return (await options.outbox.hasBacklog(topic)) ? queue(options, topic, records) : undefined;
  } catch (error) {
    return failAll(options, topic, records, error);
  }
}

async function settle(
  options: KeepOptions,
  topic: string,
  records: readonly OutgoingRecord[],
  outcomes: readonly (WriteOutcome | undefined)[],
): Promise<readonly Fate[]> {
  const passing = records.filter((_, index) => isPassing(outcomes[index]));
  const queued = passing.length === 0 ? [] : await queue(options, topic, passing, outcomes.find(isPassing));
  const queuedFates = queued.values();
  return Promise.all(
    records.map(async (record, index): Promise<Fate> => {
      const outcome = outcomes[index];
      if (outcome === undefined || isPassing(outcome)) return queuedFates.next().value ?? unsaid;
      if (outcome.ok) {
        const { ok: _, ...position } = outcome;
        return { kind: 'produced', ...position };
      }
      return deadLetter(options, { topic, record, code: outcome.code, message: outcome.message });
    }),
  );
}

const unsaid: Fate = {
  kind: 'failed',
  code: 'ingest.unanswered',
  message: 'the log said nothing of this record',
};

async function queue(
  options: KeepOptions,
  topic: string,
  records: readonly OutgoingRecord[],
  cause?: WriteOutcome,
): Promise<readonly Fate[]> {
  if (options.outbox === undefined) {
    const fate: Fate =
      cause !== undefined && !cause.ok
        ? { kind: 'failed', code: cause.code, message: cause.message }
        : unsaid;
    return records.map(() => fate);
  }
  try {
    await options.outbox.add(topic, records, options.clock.now());
    options.report.warn('ingest.queued', { topic, records: records.length });
    options.telemetry.count('sluice.spilled', records.length, { topic });
    return records.map(() => ({ kind: 'queued' }));
  } catch (error) {
    if (error instanceof RecordTooLargeError) return queueWithout(options, topic, records, error);
    return failAll(options, topic, records, error);
  }
}

/** A record that no batch of the outbox can hold is given up; the others are queued. */
async function queueWithout(
  options: KeepOptions,
  topic: string,
  records: readonly OutgoingRecord[],
  { index, code, message }: RecordTooLargeError,
): Promise<readonly Fate[]> {
  const [record] = records.slice(index, index + 1);
  const fate = record === undefined ? unsaid : await deadLetter(options, { topic, record, code, message });
  const rest = records.toSpliced(index, 1);
  const fates = rest.length === 0 ? [] : await queue(options, topic, rest);
  return fates.toSpliced(index, 0, fate);
}

async function deadLetter(options: KeepOptions, letter: IngestDeadLetter): Promise<Fate> {
  const { topic, code, message } = letter;
  try {
    await options.deadLetter(letter);
    options.telemetry.count('sluice.dead-lettered', 1, { topic, code });
    return { kind: 'dead-lettered', code, message };
  } catch (error) {
    const [fate = unsaid] = failAll(options, topic, [letter.record], error);
    return fate;
  }
}

function failAll(
  { report, telemetry }: KeepOptions,
  topic: string,
  records: readonly OutgoingRecord[],
  error: unknown,
): Fate[] {
  if (!(error instanceof SluiceError)) throw error;
  report.error('ingest.not-kept', { topic, records: records.length, error: describeError(error) });
  telemetry.count('sluice.failed', records.length, { topic, code: error.code });
  return records.map(() => ({ kind: 'failed', code: error.code, message: error.message }));
}
