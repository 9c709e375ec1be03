import type { Clock } from '../shared/clock.ts';
import { forEachLimited } from '../shared/concurrency.ts';
import { describeError } from '../shared/error.ts';
import type { Log } from '../shared/log.ts';
import { begin, isDue, isFree } from './checkpoint.ts';
import type { CheckpointStore, Deliver, PartitionBounds, RecordLog, StoredCheckpoint } from './ports.ts';
import { walkPartition } from './walk.ts';

/** A subscription as the drain sees it. */
export interface Subscription {
  readonly name: string;
  readonly topics: readonly string[];
  /** Where a partition that has no checkpoint is begun. */
  readonly start: 'earliest' | 'latest';
  readonly deliver: Deliver;
  /** The longest that one attempt can take, in milliseconds. */
  readonly attemptMs: number;
}

/** What one run of the drain needs. */
export interface DrainOptions {
  readonly subscriptions: readonly Subscription[];
  readonly log: RecordLog;
  readonly store: CheckpointStore;
  readonly clock: Clock;
  readonly report: Log;
  /** Names this run; no two runs share one. */
  readonly owner: string;
  readonly limits: DrainLimits;
}

export interface DrainLimits {
  /** A run ends in time before this many milliseconds have passed. */
  readonly budgetMs: number;
  readonly leaseMs: number;
  readonly partitionsMax: number;
  readonly pageRecords: number;
}

/** How long a partition that has more to do is walked before others get their turn. */
const turnMs = 15_000;

/** What a run came to. */
export interface DrainSummary {
  readonly walked: number;
  readonly delivered: number;
}

interface Work {
  readonly subscription: Subscription;
  readonly stored: StoredCheckpoint;
  readonly bounds: PartitionBounds;
}

/**
 * One run of the drain: a metadata call a topic, a checkpoint query a subscription, then a walk of each partition
 * that has something new and is free. A timer is a hint, not a lock: several runs at once are safe, and a run
 * without news writes nothing.
 *
 * @throws {AggregateError} when topics, checkpoints or partitions could not be read or written; the others are
 *   drained all the same.
 */
export async function drain(options: DrainOptions): Promise<DrainSummary> {
  const deadlineMs = options.clock.now() + options.limits.budgetMs;
  const failures = new Failures(options.report);
  const topics = await readTopics(options, failures);
  const work = await planAll(options, topics, failures);
  const walked = work.length;
  let delivered = 0;
  // A walk whose turn is over goes to the end of the line, so that no partition starves behind a busy one.
  await forEachLimited(work, options.limits.partitionsMax, async (item) => {
    const { subscription, stored, bounds } = item;
    const { topic, partition } = stored.checkpoint;
    const place = { subscription: subscription.name, topic, partition };
    await failures.catch('drain.walk-failed', place, async () => {
      const { attemptMs, deliver } = subscription;
      const limits = { ...options.limits, attemptMs, deadlineMs, turnMs };
      const result = await walkPartition({ ...options, ...limits, stored, bounds, deliver });
      delivered += result.delivered;
      options.report.info('drain.walked', { ...place, end: result.end, delivered: result.delivered });
      if (result.end === 'turn-over' && result.stored) work.push({ ...item, stored: result.stored });
    });
  });
  failures.throwAny();
  return { walked, delivered };
}

async function readTopics(
  options: DrainOptions,
  failures: Failures,
): Promise<Map<string, readonly PartitionBounds[] | undefined>> {
  const names = [...new Set(options.subscriptions.flatMap((subscription) => subscription.topics))];
  const topics = new Map<string, readonly PartitionBounds[] | undefined>();
  await forEachLimited(names, options.limits.partitionsMax, (topic) =>
    failures.catch('drain.topic-failed', { topic }, async () => {
      const partitions = await options.log.partitions(topic);
      topics.set(
        topic,
        partitions?.toSorted((one, other) => other.partition - one.partition),
      );
    }),
  );
  return topics;
}

async function planAll(
  options: DrainOptions,
  topics: ReadonlyMap<string, readonly PartitionBounds[] | undefined>,
  failures: Failures,
): Promise<Work[]> {
  const work: Work[] = [];
  await forEachLimited(options.subscriptions, options.limits.partitionsMax, (subscription) =>
    failures.catch('drain.plan-failed', { subscription: subscription.name }, async () => {
      work.push(...(await plan(options, subscription, topics)));
    }),
  );
  return work;
}

/** The partitions of a subscription that have something new, are free, and wait for no later attempt. */
async function plan(
  { store, clock, report }: DrainOptions,
  subscription: Subscription,
  topics: ReadonlyMap<string, readonly PartitionBounds[] | undefined>,
): Promise<Work[]> {
  const listed = await store.list(subscription.name);
  const work: Work[] = [];
  for (const topic of subscription.topics) {
    if (!topics.has(topic)) continue;
    const known = new Map(
      listed
        .filter(({ checkpoint }) => checkpoint.topic === topic)
        .map((stored) => [stored.checkpoint.partition, stored]),
    );
    for (const bounds of topics.get(topic) ?? partitionsToCome) {
      const place = { subscription: subscription.name, topic, partition: bounds.partition };
      const start = startOf(bounds.partition, known, subscription);
      const stored = known.get(bounds.partition) ?? (await store.create(first(place, start, bounds)));
      // Created by another run just now: that run walks it.
      if (stored === undefined) continue;
      const { nextOffset } = stored.checkpoint;
      if (bounds.latestOffset < nextOffset) {
        report.error('drain.checkpoint-beyond-end', { ...place, nextOffset, endOffset: bounds.latestOffset });
      }
      if (
        isDue(stored.checkpoint, bounds.latestOffset, clock.now()) &&
        isFree(stored.checkpoint, clock.now())
      ) {
        work.push({ subscription, stored, bounds });
      }
    }
  }
  return work;
}

/**
 * A topic that does not exist yet is followed from its very beginning: the checkpoint of its first partition says
 * so before there is a record that could be missed.
 */
const partitionsToCome: readonly PartitionBounds[] = [{ partition: 0, earliestOffset: 0n, latestOffset: 0n }];

/**
 * Where a partition is begun. Those of a topic seen for the first time are begun as the subscription asks, highest
 * number first, so that one whose number lies above all known ones has joined later and is new in all its records.
 */
function startOf(
  partition: number,
  known: ReadonlyMap<number, StoredCheckpoint>,
  subscription: Subscription,
): Subscription['start'] {
  const joined = known.size > 0 && partition > Math.max(...known.keys());
  return joined ? 'earliest' : subscription.start;
}

function first(
  place: { subscription: string; topic: string; partition: number },
  start: Subscription['start'],
  bounds: PartitionBounds,
) {
  const nextOffset = start === 'earliest' ? bounds.earliestOffset : bounds.latestOffset;
  return begin(place, { nextOffset, endOffset: bounds.latestOffset });
}

/** Lets one part fail without the others; what failed is logged at once and thrown at the end. */
class Failures {
  readonly #report: Log;
  readonly #errors: unknown[] = [];

  constructor(report: Log) {
    this.#report = report;
  }

  async catch(
    event: string,
    place: Readonly<Record<string, string | number>>,
    work: () => Promise<void>,
  ): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#report.error(event, { ...place, error: describeError(error) });
      this.#errors.push(error);
    }
  }

  throwAny(): void {
    if (this.#errors.length === 0) return;
    const shown = this.#errors.slice(0, 3).map(describeError).join('; ');
    throw new AggregateError(this.#errors, `${this.#errors.length} part(s) of the drain failed: ${shown}`);
  }
}
