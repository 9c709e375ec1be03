import { begin, seek as sought } from '../drain/checkpoint.ts';
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
  readonly bounds: PartitionBounds;
  readonly offset: bigint;
}

/**
 * Moves checkpoints, back or forth. Every target is found before the first is written, so that a wrong one moves
 * nothing. A walk under way loses its lease to the write and stops; what it had in flight may be delivered again.
 */
export async function seek(
  options: OperateOptions,
  request: SeekRequest,
): Promise<{ readonly subscription: string; readonly partitions: readonly SoughtPartition[] }> {
  const subscription = subscriptionNamed(options, request.subscription);
  if (request.topic !== undefined) requireTopic(request.subscription, subscription, request.topic);
  const targets: Target[] = [];
  for (const topic of request.topic === undefined ? subscription.topics : [request.topic]) {
    const all = await boundsOf(options.log, topic, request.partition);
    await forEachLimited(all, partitionsMax, async (bounds) => {
      targets.push({ topic, bounds, offset: await offsetOf(options.log, topic, bounds, request.to) });
    });
  }
  await requireBegun(options, request);
  await forEachLimited(targets, partitionsMax, (target) =>
    requireNoneParkedBefore(options, request.subscription, target),
  );
  const partitions: SoughtPartition[] = [];
  await forEachLimited(targets, partitionsMax, async (target) => {
    partitions.push(await move(options, request.subscription, target));
  });
  return { subscription: request.subscription, partitions: partitions.sort(byPlace) };
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
 * Of a topic that was made anew, records can be parked from before. Their offsets come again in the new one, where a
 * walk would take the new records for the parked ones and pass them.
 */
async function requireNoneParkedBefore(
  { checkpoints }: OperateOptions,
  subscription: string,
  { topic, bounds }: Target,
): Promise<void> {
  const { partition, latestOffset } = bounds;
  const checkpoint = (await checkpoints.read({ subscription, topic, partition }))?.checkpoint;
  if (checkpoint === undefined || checkpoint.parked.count === 0) return;
  if (checkpoint.loss?.cause !== 'recreated' && latestOffset >= checkpoint.nextOffset) return;
  const message = `${topic}:${partition} was made anew, and ${checkpoint.parked.count} of its former records are still parked; seek once they are delivered or given up`;
  throw new OperateError('made-anew', message);
}

async function move(
  { checkpoints, report }: OperateOptions,
  subscription: string,
  { topic, bounds, offset }: Target,
): Promise<SoughtPartition> {
  const { partition, latestOffset: endOffset } = bounds;
  const place = { subscription, topic, partition };
  for (let writes = 0; writes < writesMax; writes += 1) {
    const stored = await checkpoints.read(place);
    const written =
      stored === undefined
        ? await checkpoints.create(begin(place, { nextOffset: offset, endOffset }))
        : await checkpoints.replace({ ...sought(stored.checkpoint, offset), endOffset }, stored.version);
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

function byPlace(one: SoughtPartition, two: SoughtPartition): number {
  return one.topic === two.topic ? one.partition - two.partition : one.topic < two.topic ? -1 : 1;
}
