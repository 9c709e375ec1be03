import type { Clock } from '../shared/clock.ts';
import { forEachLimited } from '../shared/concurrency.ts';
import type { Log } from '../shared/log.ts';
import { begin, type Checkpoint, isDue, isFree } from './checkpoint.ts';
import type { Subscription } from './drain.ts';
import type { Failures } from './failures.ts';
import type { Gate } from './gate.ts';
import type { CheckpointStore, PartitionBounds, RecordLog, StoredCheckpoint } from './ports.ts';

/** A partition that a walk would do something in. */
export interface Work {
  readonly subscription: Subscription;
  readonly stored: StoredCheckpoint;
  /** Undefined when the topic, or this partition of it, is not there any more. */
  readonly bounds: PartitionBounds | undefined;
}

/** What planning needs. */
export interface PlanOptions {
  readonly subscriptions: readonly Subscription[];
  readonly gateOf: (subscription: Subscription) => Gate;
  readonly log: RecordLog;
  readonly checkpoints: CheckpointStore;
  readonly clock: Clock;
  /** Topics, and subscriptions, asked about at once. */
  readonly concurrency: number;
  readonly failures: Failures;
  readonly report: Log;
}

type Topics = ReadonlyMap<string, readonly PartitionBounds[] | undefined>;

/**
 * What there is to do: a metadata call a topic and a query a subscription. Writes only the first checkpoint of a
 * partition that was never seen before.
 */
export async function planWork(options: PlanOptions): Promise<Work[]> {
  const topics = await readTopics(options);
  const work: Work[] = [];
  await forEachLimited(options.subscriptions, options.concurrency, (subscription) =>
    options.failures.catch('drain.plan-failed', { subscription: subscription.name }, async () => {
      work.push(...(await planSubscription(options, subscription, topics)));
    }),
  );
  return work;
}

/** Whether a walk has something to do in a partition and may claim it. */
export function isWorkable(
  subscription: Pick<Subscription, 'ordering' | 'parkedMax'>,
  checkpoint: Checkpoint,
  latestOffset: bigint | undefined,
  nowMs: number,
): boolean {
  // Where strict order is asked for, whatever an earlier configuration has parked comes first.
  const parkedMax = subscription.ordering === 'partition' ? 0 : subscription.parkedMax;
  return isFree(checkpoint, nowMs) && isDue(checkpoint, latestOffset, { nowMs, parkedMax });
}

async function readTopics({ subscriptions, concurrency, failures, log }: PlanOptions): Promise<Topics> {
  const names = [...new Set(subscriptions.flatMap((subscription) => subscription.topics))];
  const topics = new Map<string, readonly PartitionBounds[] | undefined>();
  await forEachLimited(names, concurrency, (topic) =>
    failures.catch('drain.topic-failed', { topic }, async () => {
      const partitions = await log.partitions(topic);
      topics.set(
        topic,
        partitions?.toSorted((one, other) => other.partition - one.partition),
      );
    }),
  );
  return topics;
}

/** The partitions of a subscription that have something to do, are free, and wait for no later attempt. */
async function planSubscription(
  { checkpoints, clock, gateOf, report }: PlanOptions,
  subscription: Subscription,
  topics: Topics,
): Promise<Work[]> {
  const gate = gateOf(subscription);
  const { mark } = gate.shared;
  const standing = await checkpoints.list(subscription.name);
  gate.shared.learn(standing.endpoint, mark);
  const work: Work[] = [];
  for (const topic of subscription.topics) {
    if (!topics.has(topic)) continue;
    const known = new Map(
      standing.checkpoints
        .filter(({ checkpoint }) => checkpoint.topic === topic)
        .map((stored) => [stored.checkpoint.partition, stored]),
    );
    const missing = new Map(known);
    for (const bounds of topics.get(topic) ?? (known.size === 0 ? partitionsToCome : [])) {
      missing.delete(bounds.partition);
      const place = { subscription: subscription.name, topic, partition: bounds.partition };
      const start = startOf(bounds.partition, known, subscription);
      const stored =
        known.get(bounds.partition) ?? (await checkpoints.create(firstCheckpoint(place, start, bounds)));
      // Created by another run just now: that run walks it.
      if (stored !== undefined) work.push({ subscription, stored, bounds });
    }
    // What is parked of them is delivered all the same.
    for (const stored of missing.values()) work.push({ subscription, stored, bounds: undefined });
    warnOfMissing(report, missing);
  }
  if (gate.isShut()) return [];
  return work.filter(({ stored, bounds }) =>
    isWorkable(subscription, stored.checkpoint, bounds?.latestOffset, clock.now()),
  );
}

/**
 * A topic that does not exist yet is followed from its very beginning: the checkpoint of its first partition says
 * so before there is a record that could be missed.
 */
const partitionsToCome: readonly PartitionBounds[] = [{ partition: 0, earliestOffset: 0n, latestOffset: 0n }];

/** Says which partitions are not there any more, of those that ever held something. */
function warnOfMissing(report: Log, missing: ReadonlyMap<number, StoredCheckpoint>): void {
  const begun = [...missing.values()].filter(({ checkpoint }) => checkpoint.endOffset > 0n);
  const [first] = begun;
  if (first === undefined) return;
  const { subscription, topic } = first.checkpoint;
  const partitions = begun.map(({ checkpoint }) => checkpoint.partition).join(' ');
  report.warn('drain.partitions-missing', { subscription, topic, partitions });
}

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

function firstCheckpoint(
  place: { subscription: string; topic: string; partition: number },
  start: Subscription['start'],
  bounds: PartitionBounds,
): Checkpoint {
  const nextOffset = start === 'earliest' ? bounds.earliestOffset : bounds.latestOffset;
  return begin(place, { nextOffset, endOffset: bounds.latestOffset });
}
