import { fullJitterMs } from '../shared/backoff.ts';
import { describeError } from '../shared/error.ts';
import type { FlushOptions } from './outbox.ts';
import type { StoredBatch, TopicLease } from './outbox-ports.ts';
import type { OutgoingRecord, WriteOutcome } from './ports.ts';

/** Why the flush of a topic ended. */
export type FlushEnd =
  /** Nothing is left that may be tried now. */
  | 'done'
  /** In strict order: a batch that waits for its next attempt holds back those behind it. */
  | 'held-back'
  /** The log took no record of a batch, and would take no other now. */
  | 'log-away'
  /** A produce might outlast the flush. */
  | 'out-of-time'
  /** Somebody else has taken the lease, or written a batch, meanwhile. */
  | 'lease-lost'
  /** Somebody else held the lease from the beginning. */
  | 'held';

/** What the flush of one topic needs. */
export interface FlushTopicOptions extends FlushOptions {
  readonly topic: string;
  /** No produce begins that could end after this (milliseconds since the epoch). */
  readonly deadlineMs: number;
  /** Counts records as they are settled, so that the counts hold even when the flush fails. */
  readonly count: { produced: number; postponed: number; deadLettered: number };
}

type Failure = Extract<WriteOutcome, { ok: false }>;

/** A database may refuse longer texts. */
const errorCharsMax = 1_000;

/**
 * Flushes one topic under its lease. The lease only keeps others from doing the same work: a batch is guarded by
 * its own version, so a flush that lost its lease unawares can at most produce again what another has produced.
 *
 * @throws what a store throws.
 */
export async function flushTopic(options: FlushTopicOptions): Promise<FlushEnd> {
  const { outbox, topic, clock, owner, limits, abandonedLeases } = options;
  const found = await outbox.readLease(topic);
  if (found === undefined) return 'held';
  if (found.expiresAtMs > clock.now() && abandonedLeases.get(topic) !== found.owner) return 'held';

  let lease: TopicLease | undefined;
  const hold = async (from: TopicLease): Promise<boolean> => {
    lease = await outbox.replaceLease({ ...from, owner, expiresAtMs: clock.now() + limits.leaseMs });
    return lease !== undefined;
  };
  /** Renews the lease if one produce could outlast it. False: it is lost. */
  const ensureLease = async (): Promise<boolean> => {
    if (lease === undefined) return false;
    return lease.expiresAtMs - clock.now() > limits.produceMs || hold(lease);
  };

  try {
    if (!(await hold(found))) return 'held';
    abandonedLeases.delete(topic);
    const end = await walkBatches(options, ensureLease);
    await giveUp(options, lease);
    return end;
  } catch (error) {
    // The failure that ended the flush is the one to tell. A lease that cannot be given up lapses by itself.
    const givenUp = await giveUp(options, lease).catch(() => false);
    if (!givenUp) abandonedLeases.set(topic, owner);
    throw error;
  }
}

/** False: the lease is not what it was when it was last seen, or never was. */
async function giveUp({ outbox }: FlushTopicOptions, lease: TopicLease | undefined): Promise<boolean> {
  if (lease === undefined) return false;
  return (await outbox.replaceLease({ ...lease, owner: '', expiresAtMs: 0 })) !== undefined;
}

async function walkBatches(
  options: FlushTopicOptions,
  ensureLease: () => Promise<boolean>,
): Promise<FlushEnd> {
  const { outbox, topic, clock, limits, ordering, deadlineMs } = options;
  const outOfTime = () => clock.now() + limits.produceMs > deadlineMs;
  let lastId: string | undefined;
  while (!outOfTime()) {
    // In strict order everything before this is gone, so whatever stands there now was added late, as by an instance
    // whose clock is behind, and may be older than what follows.
    const page = await outbox.list(topic, limits.pageBatches, ordering === 'strict' ? undefined : lastId);
    if (page.length === 0) return 'done';
    for (const batch of page) {
      lastId = batch.id;
      const due = batch.nextAttemptMs <= clock.now();
      if (!due && ordering === 'strict') return 'held-back';
      if (!due) continue;
      if (outOfTime()) return 'out-of-time';
      if (!(await ensureLease())) return 'lease-lost';

      const settled = await settle(options, batch);
      if (settled === 'taken') return 'lease-lost';
      if (settled === 'log-away') return 'log-away';
      if (settled === 'postponed' && ordering === 'strict') return 'held-back';
    }
  }
  return 'out-of-time';
}

/**
 * Makes one attempt to produce a batch, and *then* takes what is finished out of the outbox. `log-away`: no batch is
 * worth an attempt now; `taken`: another flush wrote the batch meanwhile.
 */
async function settle(
  options: FlushTopicOptions,
  batch: StoredBatch,
): Promise<'finished' | 'postponed' | 'log-away' | 'taken'> {
  const { outbox, clock, random, limits, count } = options;
  const outcomes = await options.write(batch.topic, batch.records);
  const left: OutgoingRecord[] = [];
  let error = '';
  for (const [index, record] of batch.records.entries()) {
    const outcome = outcomes[index] ?? unanswered;
    if (outcome.ok) count.produced += 1;
    else if (outcome.lasting && (await deadLetter(options, batch, record, outcome))) count.deadLettered += 1;
    else {
      left.push(record);
      error ||= `${outcome.code}: ${outcome.message}`;
    }
  }
  if (left.length === 0) return (await outbox.remove(batch)) ? 'finished' : 'taken';

  const attempts = batch.attempts + 1;
  const nextAttemptMs = Math.ceil(clock.now() + fullJitterMs(attempts, limits.backoff, random));
  error = error.slice(0, errorCharsMax);
  count.postponed += left.length;
  const { topic } = batch;
  options.report.warn('outbox.postponed', { topic, records: left.length, attempts, nextAttemptMs, error });
  const replaced = await outbox.replace({ ...batch, records: left, attempts, nextAttemptMs, error });
  if (replaced === undefined) return 'taken';
  return outcomes.every((outcome) => !outcome.ok && outcome.away) ? 'log-away' : 'postponed';
}

const unanswered: Failure = {
  ok: false,
  code: 'ingest.unanswered',
  message: 'the log said nothing of this record',
};

/** Stores a record that never will be produced among the dead letters. False: it has to stay where it is. */
async function deadLetter(
  { deadLetters, clock, report }: FlushTopicOptions,
  { topic, id }: StoredBatch,
  record: OutgoingRecord,
  { code, message }: Failure,
): Promise<boolean> {
  const place = { topic, batch: id, code };
  try {
    await deadLetters.add({
      origin: `outbox:${topic}`,
      id,
      topic,
      reason: { code, message },
      payload: JSON.stringify(record),
      atMs: clock.now(),
    });
  } catch (error) {
    report.error('outbox.dead-letter-failed', { ...place, error: describeError(error) });
    return false;
  }
  report.error('outbox.dead-lettered', { ...place, error: message });
  return true;
}
