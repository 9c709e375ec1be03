import { begin, type Checkpoint, seek as sought, withGap } from '../drain/checkpoint.ts';
import type { PartitionBounds } from '../drain/ports.ts';
import { forEachLimited } from '../shared/concurrency.ts';
import { offsetOf } from './find-offset.ts';
import type { OperateOptions } from './ports.ts';
import { OperateError } from './problem.ts';
import type { SeekRequest } from './requests.ts';
import { boundsOf, requireTopic, subscriptionNamed } from './subscriptions.ts';

/** A holder writes at most every few seconds, so losing this often in a row says that something is wrong. */
const writesMax = 20;
/** Partitions looked through at once. */
const partitionsMax = 8;

/** Where a partition was moved; offsets are decimal strings. */
export interface SoughtPartition {
  readonly topic: string;
  readonly partition: number;
  /** Null when the subscription had not begun it. */
  readonly before: string | null;
  readonly now: string;
  readonly endOffset: string;
  /** Records that stay parked; they are delivered all the same. */
  readonly parked: number;
}

interface Target {
  readonly topic: string;
  /** Of a partition that is gone: empty. */
  readonly bounds: PartitionBounds;
  readonly offset: bigint;
  readonly gone: boolean;
}

/**
 * Moves checkpoints, back or forth. Every target is found before the first is written, so that a wrong one moves
 * nothing. A walk under way loses its lease to the write and stops; what it had in flight may be delivered again.
 *
 * One partition that Kafka does not show can be given up, by a seek to `earliest`: what was not delivered becomes a
 * gap, and it is read from its first record on should it come back. Its checkpoint stays, so that nothing begins it at
 * `latest` then, and no claim is older than those before.
 */
export async function seek(
  options: OperateOptions,
  request: SeekRequest,
): Promise<{ readonly subscription: string; readonly partitions: readonly SoughtPartition[] }> {
  const subscription = subscriptionNamed(options, request.subscription);
  if (request.topic !== undefined) requireTopic(request.subscription, subscription, request.topic);
  const gone = await goneTarget(options, request);
  const topics = request.topic === undefined ? subscription.topics : [request.topic];
  const targets = gone === undefined ? await targetsIn(options, topics, request) : [gone];
  await requireBegun(options, request);
  await forEachLimited(targets, partitionsMax, async (target) => {
    const { topic, bounds } = target;
    const place = { subscription: request.subscription, topic, partition: bounds.partition };
    requireNoneParkedBefore((await options.checkpoints.read(place))?.checkpoint, target);
  });
  const partitions: SoughtPartition[] = [];
  await forEachLimited(targets, partitionsMax, async (target) => {
    partitions.push(await move(options, request.subscription, target));
  });
  return { subscription: request.subscription, partitions: partitions.sort(byPlace) };
}

async function targetsIn(
  { log }: OperateOptions,
  topics: readonly string[],
  { partition, to }: SeekRequest,
): Promise<readonly Target[]> {
  const targets: Target[] = [];
  for (const topic of topics) {
    await forEachLimited(await boundsOf(log, topic, partition), partitionsMax, async (bounds) => {
      targets.push({ topic, bounds, offset: await offsetOf(log, topic, bounds, to), gone: false });
    });
  }
  return targets;
}

/** The one partition that is asked for, if the subscription stands in it and Kafka does not show it. */
async function goneTarget(
  { log, checkpoints }: OperateOptions,
  { subscription, topic, partition, to }: SeekRequest,
): Promise<Target | undefined> {
  if (topic === undefined || partition === undefined) return undefined;
  if ((await log.partitions(topic))?.some((bounds) => bounds.partition === partition)) return undefined;
  if ((await checkpoints.read({ subscription, topic, partition })) === undefined) return undefined;
  if (to.kind !== 'earliest') {
    const message = `Kafka does not show ${topic}:${partition}; only a seek to earliest gives it up, and reads it from its first record on should it come back`;
    throw new OperateError('unknown-partition', message);
  }
  const bounds = { partition, earliestOffset: 0n, latestOffset: 0n };
  return { topic, bounds, offset: bounds.earliestOffset, gone: true };
}

/**
 * Where none of a topic's partitions was begun, each gets its checkpoint or none does: a partition whose number is
 * above all that were begun counts as one that joined later, and is read from its first record on.
 */
async function requireBegun({ checkpoints }: OperateOptions, request: SeekRequest): Promise<void> {
  const { subscription, topic, partition } = request;
  if (topic === undefined || partition === undefined) return;
  if ((await checkpoints.read({ subscription, topic, partition })) !== undefined) return;
  const message = `${subscription} has not begun ${topic}:${partition}; seek in all partitions of the topic, or wait for the next run of the drain`;
  throw new OperateError('not-begun', message);
}

/**
 * Of a topic that was made anew, or is gone, records can be parked from before. Their offsets come again in the new
 * one, where a walk would take the new records for the parked ones and pass them.
 */
function requireNoneParkedBefore(checkpoint: Checkpoint | undefined, { topic, bounds, gone }: Target): void {
  if (checkpoint === undefined) return;
  const { nextOffset, parked, loss, lease } = checkpoint;
  const { partition, latestOffset } = bounds;
  if (!gone && loss?.cause !== 'recreated' && latestOffset >= nextOffset) return;
  const what = `${topic}:${partition} ${gone ? 'is gone' : 'was made anew'}`;
  if (parked.count > 0) {
    const message = `${what}, and ${parked.count} of its former records are still parked; seek once they are delivered or given up`;
    throw new OperateError('made-anew', message);
  }
  // Whoever has the lease may have parked more than the checkpoint tells.
  if (lease === null) return;
  const message = `${what}, and a walk that may park some of its former records has not ended; ask again after the next run of the drain`;
  throw new OperateError('contended', message);
}

async function move(
  { checkpoints, clock, report }: OperateOptions,
  subscription: string,
  target: Target,
): Promise<SoughtPartition> {
  const { topic, offset } = target;
  const { partition, latestOffset: endOffset } = target.bounds;
  const place = { subscription, topic, partition };
  for (let writes = 0; writes < writesMax; writes += 1) {
    const stored = await checkpoints.read(place);
    requireNoneParkedBefore(stored?.checkpoint, target);
    const written =
      stored === undefined
        ? await checkpoints.create(begin(place, { nextOffset: offset, endOffset }))
        : await checkpoints.replace(moved(stored.checkpoint, target, clock.now()), stored.version);
    if (written === undefined) continue;
    const before = stored?.checkpoint.nextOffset;
    report.warn('operate.seek', { ...place, before, now: offset });
    return {
      topic,
      partition,
      before: before?.toString() ?? null,
      now: offset.toString(),
      endOffset: endOffset.toString(),
      parked: written.checkpoint.parked.count,
    };
  }
  const message = `the checkpoint of ${topic}:${partition} was written by others ${writesMax} times; ask again`;
  throw new OperateError('contended', message);
}

function moved(checkpoint: Checkpoint, { bounds, offset, gone }: Target, atMs: number): Checkpoint {
  const { nextOffset, endOffset, gaps } = checkpoint;
  const lost = { fromOffset: nextOffset, toOffset: endOffset, atMs, cause: 'gone' } as const;
  return {
    ...sought(checkpoint, offset),
    endOffset: bounds.latestOffset,
    gaps: gone && nextOffset < endOffset ? withGap(gaps, lost) : gaps,
  };
}

function byPlace(one: SoughtPartition, two: SoughtPartition): number {
  return one.topic === two.topic ? one.partition - two.partition : one.topic < two.topic ? -1 : 1;
}
