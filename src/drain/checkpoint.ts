import type { Attempt } from '../events/dead-letter.ts';
import { assert } from '../shared/assert.ts';

/**
 * Where a subscription stands in a partition, and who may move it. Lease and position are one entity, so that a
 * single conditional write fences both.
 *
 * A checkpoint begins free. A run *claims* it and becomes its holder until a time; the holder *saves* what is
 * finished, which renews the lease, and *releases* it when it ends. A holder that dies leaves a lease that lapses, and
 * the next run claims it with a higher epoch. The old holder, should it wake, finds its version outdated: its write is
 * refused, and it stops. Position never goes backwards, unless an operator seeks or the topic was made anew.
 *
 * While a checkpoint is free, `parked.count` is the number of records that are parked, or more. A lease that lapsed may
 * hide some, so whoever takes one over looks.
 */
export interface Checkpoint {
  readonly subscription: string;
  readonly topic: string;
  readonly partition: number;
  /** Every record below is finished. */
  readonly nextOffset: bigint;
  /** The end of the partition when last seen: the next offset to be written. */
  readonly endOffset: bigint;
  readonly lease: Lease | null;
  /** Counts the claims. */
  readonly epoch: number;
  /**
   * Finished offsets above `nextOffset`, in order and apart from each other. A walk takes on no records that would leave
   * more than {@link finishedMax} ranges; a batch that is finished in parts, or records that are parked behind others,
   * may exceed it for a while.
   */
  readonly finished: readonly OffsetRange[];
  /** Set while the partition waits at `nextOffset`. */
  readonly retry: Retry | null;
  /** Records that wait for their next attempt out of the partition's way. */
  readonly parked: Parked;
  /** Set while offsets seem lost and are not passed yet. */
  readonly loss: Loss | null;
  /** Offsets that were passed without a delivery, newest last. */
  readonly gaps: readonly Gap[];
}

/** Offsets from `fromOffset` up to, not including, `toOffset`. */
export interface OffsetRange {
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
}

/** How many records are parked, and when the first of them is due; 0 and 0 when none is. */
export interface Parked {
  readonly count: number;
  readonly nextAttemptMs: number;
}

/** The right to advance a checkpoint until a time (milliseconds since the epoch). */
export interface Lease {
  readonly owner: string;
  readonly expiresAtMs: number;
}

/**
 * Why the partition waits, and until when. Without failures it waits because nothing can be read below its end;
 * then a new end is a reason to look again at once.
 */
export interface Retry {
  /** Attempts made so far, all of which failed. */
  readonly failures: number;
  readonly atMs: number;
  readonly error: string;
  /** What is remembered of the attempts, the oldest first. */
  readonly attempts: readonly Attempt[];
}

/**
 * Records that were lost before they were delivered, and are not passed yet: because metadata may be stale, or because
 * an operator is to decide.
 */
export interface Loss {
  /** `recreated`: the partition was seen to end before `nextOffset`. */
  readonly cause: 'retention' | 'recreated';
  /** When it was seen first (milliseconds since the epoch). */
  readonly sinceMs: number;
  /**
   * True once the endpoint was paused for it. The pause is stored first: a walk that finds this set and the endpoint
   * active knows that an operator has resumed, and passes what is lost by then.
   */
  readonly halted: boolean;
}

/**
 * Offsets `fromOffset` up to, not including, `toOffset` were passed without a delivery. Of a topic made anew:
 * `fromOffset` is where the subscription stood in the old one, `toOffset` where it begins in the new one.
 */
export interface Gap {
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
  readonly atMs: number;
  readonly cause: GapCause;
}

/**
 * `retention` took the records; the topic was deleted and `recreated`; the offsets are `empty`: asked twice, the log gave
 * no record there, though it gave one further on; or the partition is `gone`, and an operator gave it up.
 */
export type GapCause = 'retention' | 'recreated' | 'empty' | 'gone';

/** A checkpoint keeps this many gaps; at the bound the two oldest are joined, so that none goes unshown. */
export const gapsMax = 50;

/** At this many ranges above `nextOffset` a walk waits for the lowest record. */
export const finishedMax = 256;

/** How long a topic must be seen to end before a checkpoint to count as made anew: metadata can be stale. */
export const recreatedAfterMs = 60_000;

const nothingYet = {
  lease: null,
  epoch: 0,
  finished: [],
  retry: null,
  parked: { count: 0, nextAttemptMs: 0 },
  loss: null,
  gaps: [],
} as const;

/** A checkpoint for a partition that is seen for the first time. */
export function begin(
  place: Pick<Checkpoint, 'subscription' | 'topic' | 'partition'>,
  offsets: Pick<Checkpoint, 'nextOffset' | 'endOffset'>,
): Checkpoint {
  return { ...place, ...offsets, ...nothingYet };
}

/** Whether nobody holds the checkpoint at `nowMs`. */
export function isFree(checkpoint: Checkpoint, nowMs: number): boolean {
  return checkpoint.lease === null || checkpoint.lease.expiresAtMs <= nowMs;
}

/** Makes `lease.owner` the holder of a free checkpoint. */
export function claim(checkpoint: Checkpoint, lease: Lease, nowMs: number): Checkpoint {
  assert(isFree(checkpoint, nowMs), 'only a free checkpoint is claimed');
  return { ...checkpoint, lease, epoch: checkpoint.epoch + 1 };
}

/** What a holder may change. */
export type Advance = Pick<
  Checkpoint,
  'nextOffset' | 'endOffset' | 'finished' | 'retry' | 'parked' | 'loss' | 'gaps'
>;

/** Takes over what the holder has done. Only the topic being made anew leads backwards. */
export function advance(checkpoint: Checkpoint, to: Advance): Checkpoint {
  assert(checkpoint.lease !== null, 'only the holder advances a checkpoint');
  const anew = to.gaps.at(-1)?.cause === 'recreated' && to.gaps !== checkpoint.gaps;
  assert(anew || to.nextOffset >= checkpoint.nextOffset, 'a checkpoint never goes backwards');
  return { ...checkpoint, ...to };
}

/** Gives the checkpoint up to whoever comes next. */
export function release(checkpoint: Checkpoint): Checkpoint {
  return { ...checkpoint, lease: null };
}

/**
 * Sets the position, as an operator asks. A holder loses its lease, and what it may have parked is found by the next
 * claim; what is parked stays so, and is delivered when due.
 */
export function seek(checkpoint: Checkpoint, nextOffset: bigint): Checkpoint {
  const lease = checkpoint.lease && { ...checkpoint.lease, expiresAtMs: 0 };
  return { ...checkpoint, nextOffset, lease, finished: [], retry: null, loss: null };
}

/** Adds a gap; at the bound the two oldest are joined. */
export function withGap(gaps: readonly Gap[], gap: Gap): readonly Gap[] {
  const [oldest, second, ...rest] = gaps;
  if (gaps.length < gapsMax || oldest === undefined || second === undefined) return [...gaps, gap];
  return [{ ...second, fromOffset: oldest.fromOffset }, ...rest, gap];
}

/**
 * Whether a walk has something to do in a partition whose checkpoint is free.
 *
 * @param latestOffset where the partition is seen to end; undefined when it is gone, and only what is parked can be due.
 * @param parkedMax the bound at which the partition waits; 0: it waits while anything is parked.
 */
export function isDue(
  checkpoint: Checkpoint,
  latestOffset: bigint | undefined,
  { nowMs, parkedMax }: { readonly nowMs: number; readonly parkedMax: number },
): boolean {
  const { nextOffset, endOffset, lease, retry, parked, loss } = checkpoint;
  // It lapsed, so there may be parked records that nothing else tells of.
  if (lease !== null) return true;
  const isParked = parked.count > 0;
  if (isParked && parked.nextAttemptMs <= nowMs) return true;
  if (latestOffset === undefined) return false;
  const seenRecreated = loss?.cause === 'recreated';
  if (latestOffset < nextOffset) {
    return !seenRecreated || (!isParked && loss.sinceMs + recreatedAfterMs <= nowMs);
  }
  // The metadata was stale, and the checkpoint is to say so.
  if (seenRecreated) return true;
  if (latestOffset === nextOffset || (isParked && parked.count >= parkedMax)) return false;
  if (retry === null || retry.atMs <= nowMs) return true;
  return retry.failures === 0 && latestOffset > endOffset;
}
