import type { Checkpoint, GapCause, Loss } from '../drain/checkpoint.ts';
import type { PartitionBounds } from '../drain/ports.ts';
import { isoOf } from './iso-time.ts';
import type { OperateOptions } from './ports.ts';

/** Where a subscription stands in a partition. Offsets are decimal strings, times RFC 3339. */
export interface PartitionStatus {
  readonly topic: string;
  readonly partition: number;
  /** Every record below is finished; null when the subscription has not begun the partition. */
  readonly nextOffset: string | null;
  /** The next offset to be written; as it was last seen where the partition is missing. */
  readonly endOffset: string | null;
  /** Kafka does not show the partition, or its topic; what is parked of it is delivered all the same. */
  readonly missing: boolean;
  /** The subscription does not read the topic any more, so nobody delivers what is still parked of it. */
  readonly unread: boolean;
  /** Offsets between the two that are not finished; some of them may hold no record. None of a topic that is not read. */
  readonly lagRecords: number;
  /** How old the record at `nextOffset` is; null when none waits there, or it could not be read. */
  readonly lagMs: number | null;
  /** Offsets finished a minute, since an earlier look of the instance that answers. */
  readonly perMinute: number | null;
  readonly parked: { readonly count: number; readonly nextAttempt: string | null };
  /** Why the partition waits, since when, and until when. */
  readonly retry: {
    readonly failures: number;
    readonly since: string | null;
    readonly nextAttempt: string | null;
    readonly error: string;
  } | null;
  /** Records that are lost, as it seems; `halted`: an operator is to decide, and a resume passes them. */
  readonly loss: {
    readonly cause: Loss['cause'];
    readonly since: string | null;
    readonly halted: boolean;
  } | null;
  readonly gaps: readonly {
    readonly fromOffset: string;
    readonly toOffset: string;
    readonly at: string | null;
    readonly cause: GapCause;
  }[];
  /** Who walks it at the moment. */
  readonly lease: { readonly owner: string; readonly until: string | null } | null;
}

/** Does work that looks at `what`; if it fails, the status names the problem and shows the rest all the same. */
export type Noting = (what: string, work: () => Promise<void>) => Promise<void>;

/** Looks at one partition; reads one record where it lags. */
export async function viewPartition(
  options: OperateOptions,
  place: {
    readonly subscription: string;
    readonly topic: string;
    readonly partition: number;
    readonly checkpoint: Checkpoint | undefined;
    /** Undefined when the partition is missing, or the log did not tell. */
    readonly bounds: PartitionBounds | undefined;
    readonly missing: boolean;
    readonly unread: boolean;
  },
  noting: Noting,
): Promise<PartitionStatus> {
  const { subscription, topic, partition, checkpoint, bounds, missing, unread } = place;
  const endOffset = bounds?.latestOffset ?? checkpoint?.endOffset;
  const lagRecords = unread ? 0 : lagOf(checkpoint, endOffset);
  let lagMs: number | null = null;
  if (checkpoint !== undefined && bounds !== undefined && lagRecords > 0) {
    await noting(`lag of ${subscription} in ${topic}:${partition}`, async () => {
      lagMs = await lagInTime(options, topic, bounds, checkpoint.nextOffset);
    });
  }
  return {
    topic,
    partition,
    nextOffset: checkpoint?.nextOffset.toString() ?? null,
    endOffset: endOffset?.toString() ?? null,
    missing,
    unread,
    lagRecords,
    lagMs,
    ...viewCheckpoint(options, checkpoint),
  };
}

function viewCheckpoint({ pace, clock }: OperateOptions, checkpoint: Checkpoint | undefined) {
  if (checkpoint === undefined) {
    return {
      perMinute: null,
      parked: { count: 0, nextAttempt: null },
      retry: null,
      loss: null,
      gaps: [],
      lease: null,
    };
  }
  const { subscription, topic, partition, parked, retry, loss, gaps, lease } = checkpoint;
  const nowMs = clock.now();
  const place = `${subscription}/${topic}/${partition}`;
  return {
    perMinute: pace.perMinute(place, checkpoint.nextOffset + finishedAhead(checkpoint), nowMs),
    parked: { count: parked.count, nextAttempt: isoOf(parked.nextAttemptMs) },
    retry: retry && {
      failures: retry.failures,
      since: isoOf(retry.attempts[0]?.atMs ?? 0),
      nextAttempt: isoOf(retry.atMs),
      error: retry.error,
    },
    loss: loss && { cause: loss.cause, since: isoOf(loss.sinceMs), halted: loss.halted },
    gaps: gaps.map(({ fromOffset, toOffset, atMs, cause }) => ({
      fromOffset: fromOffset.toString(),
      toOffset: toOffset.toString(),
      at: isoOf(atMs),
      cause,
    })),
    lease:
      lease === null || lease.expiresAtMs <= nowMs
        ? null
        : { owner: lease.owner, until: isoOf(lease.expiresAtMs) },
  };
}

function lagOf(checkpoint: Checkpoint | undefined, endOffset: bigint | undefined): number {
  if (checkpoint === undefined || endOffset === undefined) return 0;
  const unfinished = endOffset - checkpoint.nextOffset - finishedAhead(checkpoint);
  return Math.max(0, Number(unfinished));
}

function finishedAhead({ finished }: Checkpoint): bigint {
  return finished.reduce((total, { fromOffset, toOffset }) => total + toOffset - fromOffset, 0n);
}

async function lagInTime(
  { log, clock }: OperateOptions,
  topic: string,
  { partition, earliestOffset }: PartitionBounds,
  nextOffset: bigint,
): Promise<number | null> {
  // What retention has taken cannot be read.
  const offset = nextOffset > earliestOffset ? nextOffset : earliestOffset;
  const { records } = await log.read({ topic, partition, offset, count: 1 });
  const record = records.find((candidate) => candidate.offset >= offset);
  return record === undefined ? null : Math.max(0, clock.now() - Number(record.timestampMs));
}
