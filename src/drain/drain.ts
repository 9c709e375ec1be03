import type { Clock } from '../shared/clock.ts';
import { forEachLimited } from '../shared/concurrency.ts';
import { describeError } from '../shared/error.ts';
import type { Log } from '../shared/log.ts';
import { begin, isFree } from './checkpoint.ts';
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
  let delivered = 0;
  await forEachLimited(work, options.limits.partitionsMax, async ({ subscription, stored, bounds }) => {
    const { topic, partition } = stored.checkpoint;
    const place = { subscription: subscription.name, topic, partition };
    await failures.catch('drain.walk-failed', place, async () => {
      const { attemptMs, deliver } = subscription;
      const walked = await walkPartition({
        ...options,
        ...options.limits,
        stored,
        bounds,
        deliver,
        attemptMs,
        deadlineMs,
      });
      delivered += walked.delivered;
      options.report.info('drain.walked', { ...place, end: walked.end, delivered: walked.delivered });
    });
  });
  failures.throwAny();
  return { walked: work.length, delivered };
}

async function readTopics(
  options: DrainOptions,
  failures: Failures,
): Promise<Map<string, readonly PartitionBounds[]>> {
  const names = [...new Set(options.subscriptions.flatMap((subscription) => subscription.topics))];
  const topics = new Map<string, readonly PartitionBounds[]>();
  await forEachLimited(names, options.limits.partitionsMax, (topic) =>
    failures.catch('drain.topic-failed', { topic }, async () => {
      const partitions = await options.log.partitions(topic);
      if (partitions !== undefined) topics.set(topic, partitions);
      else options.report.warn('drain.topic-missing', { topic });
    }),
  );
  return topics;
}

async function planAll(
  options: DrainOptions,
  topics: ReadonlyMap<string, readonly PartitionBounds[]>,
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
  topics: ReadonlyMap<string, readonly PartitionBounds[]>,
): Promise<Work[]> {
  const listed = await store.list(subscription.name);
  const known = new Map(listed.map((stored) => [placeOf(stored.checkpoint), stored]));
  const work: Work[] = [];
  for (const topic of subscription.topics) {
    // A partition that joins a topic already followed is new in all its records.
    const start = listed.some((stored) => stored.checkpoint.topic === topic)
      ? 'earliest'
      : subscription.start;
    for (const bounds of topics.get(topic) ?? []) {
      const place = { subscription: subscription.name, topic, partition: bounds.partition };
      const stored = known.get(placeOf(place)) ?? (await store.create(first(place, start, bounds)));
      // Created by another run just now: that run walks it.
      if (stored === undefined) continue;
      const { nextOffset, retry } = stored.checkpoint;
      if (bounds.latestOffset < nextOffset) {
        report.error('drain.checkpoint-beyond-end', { ...place, nextOffset, endOffset: bounds.latestOffset });
      }
      const due = retry === null || retry.atMs <= clock.now();
      if (bounds.latestOffset > nextOffset && due && isFree(stored.checkpoint, clock.now())) {
        work.push({ subscription, stored, bounds });
      }
    }
  }
  return work;
}

function first(
  place: { subscription: string; topic: string; partition: number },
  start: Subscription['start'],
  bounds: PartitionBounds,
) {
  const nextOffset = start === 'earliest' ? bounds.earliestOffset : bounds.latestOffset;
  return begin(place, { nextOffset, endOffset: bounds.latestOffset });
}

function placeOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}:${partition}`;
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
