import type { PartitionBounds, RecordLog } from '../drain/ports.ts';
import type { TopicRecord } from '../events/record.ts';
import { OperateError } from './problem.ts';

/** Where in a partition: an end, an offset, or a time in milliseconds since the epoch. */
export type Position =
  | { readonly kind: 'earliest' | 'latest' }
  | { readonly kind: 'offset'; readonly offset: bigint }
  | { readonly kind: 'time'; readonly timeMs: number };

/** Reads without a record, one after another, before a stretch of the log counts as unreadable. */
const emptyReadsMax = 64;

/**
 * The offset of a position.
 *
 * @throws {OperateError} `out-of-range` for an offset that the partition does not hold, its end excepted.
 */
export async function offsetOf(
  log: Pick<RecordLog, 'read'>,
  topic: string,
  bounds: PartitionBounds,
  position: Position,
): Promise<bigint> {
  const { partition, earliestOffset, latestOffset } = bounds;
  switch (position.kind) {
    case 'earliest':
      return earliestOffset;
    case 'latest':
      return latestOffset;
    case 'time':
      return findOffset(log, topic, bounds, position.timeMs);
    case 'offset': {
      if (position.offset >= earliestOffset && position.offset <= latestOffset) return position.offset;
      const held = `${topic}:${partition} holds ${earliestOffset} up to, not including, ${latestOffset}`;
      throw new OperateError('out-of-range', `${held}; ${position.offset} is outside`);
    }
  }
}

/**
 * The first offset whose record is not older than `timeMs`, else the end of the partition; by bisection, since the
 * consumer API knows no times: about two reads for each doubling of the partition's length.
 *
 * Producers set timestamps, so they need not be in order. Then there can be several places where older records end
 * and newer ones begin, and this is one of them: the record found is not older, the one before it is.
 */
export async function findOffset(
  log: Pick<RecordLog, 'read'>,
  topic: string,
  { partition, earliestOffset, latestOffset }: PartitionBounds,
  timeMs: number,
): Promise<bigint> {
  const time = BigInt(timeMs);
  // Everything known below `low` is older; at `found` stands a record that is not, or the end.
  let low = earliestOffset;
  let high = latestOffset;
  let found = latestOffset;
  while (low < high) {
    const middle = (low + high) / 2n;
    const record = await recordFrom(log, { topic, partition, offset: middle }, high);
    if (record === undefined) high = middle;
    else if (record.timestampMs < time) low = record.offset + 1n;
    else {
      found = record.offset;
      high = middle;
    }
  }
  return found;
}

/** The first record at or after an offset and below `end`; offsets may have gaps, and pages may be empty there. */
async function recordFrom(
  log: Pick<RecordLog, 'read'>,
  { topic, partition, offset }: { topic: string; partition: number; offset: bigint },
  end: bigint,
): Promise<TopicRecord | undefined> {
  let from = offset;
  for (let reads = 0; from < end; reads += 1) {
    if (reads === emptyReadsMax) {
      const where = `${topic}:${partition} from ${offset} on`;
      throw new OperateError('unavailable', `the log gave no record of ${where}; seek to an offset instead`);
    }
    const page = await log.read({ topic, partition, offset: from, count: 1 });
    // A page may begin before the offset that was asked for.
    const record = page.records.find((candidate) => candidate.offset >= from);
    if (record !== undefined) return record.offset < end ? record : undefined;
    from = page.nextOffset > from ? page.nextOffset : from + 1n;
  }
  return undefined;
}
