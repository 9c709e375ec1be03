import { assert } from '../shared/assert.ts';

/**
 * Where a subscription stands in a partition, and who may move it. Lease and position are one entity, so that a
 * single conditional write fences both.
 *
 * A checkpoint begins free. A run *claims* it and becomes its holder until a time; the holder *advances* it after
 * each window of finished records, which renews the lease; it *holds back* when a record failed, and *releases* it
 * when it ends. A holder that dies leaves a lease that lapses, and the next run claims it with a higher epoch. The
 * old holder, should it wake, finds its version outdated: its write is refused, and it stops. Position never goes
 * backwards.
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
  /** Set while the partition waits at `nextOffset`. */
  readonly retry: Retry | null;
  /** Offsets that were passed without a delivery, newest last. */
  readonly gaps: readonly Gap[];
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
}

/** Offsets `fromOffset` up to, not including, `toOffset` were passed without a delivery. */
export interface Gap {
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
  readonly atMs: number;
  /** Retention took them; or the log, which gave records further on, twice gave none here. */
  readonly cause: GapCause;
}

export type GapCause = 'retention' | 'empty';

/** A checkpoint keeps this many gaps; at the bound the two oldest are joined, so that none goes unshown. */
export const gapsMax = 50;

/** A checkpoint for a partition that is seen for the first time. */
export function begin(
  place: Pick<Checkpoint, 'subscription' | 'topic' | 'partition'>,
  offsets: Pick<Checkpoint, 'nextOffset' | 'endOffset'>,
): Checkpoint {
  return { ...place, ...offsets, lease: null, epoch: 0, retry: null, gaps: [] };
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

/** Whether a walk has something to do, now that the partition is seen to end at `latestOffset`. */
export function isDue(
  { nextOffset, endOffset, retry }: Checkpoint,
  latestOffset: bigint,
  nowMs: number,
): boolean {
  if (latestOffset <= nextOffset) return false;
  if (retry === null || retry.atMs <= nowMs) return true;
  return retry.failures === 0 && latestOffset > endOffset;
}

/** Moves the holder's position forward; a record that was held back is behind it then. */
export function advance(checkpoint: Checkpoint, nextOffset: bigint): Checkpoint {
  assert(checkpoint.lease !== null, 'only the holder advances a checkpoint');
  assert(nextOffset >= checkpoint.nextOffset, 'a checkpoint never goes backwards');
  if (nextOffset === checkpoint.nextOffset) return checkpoint;
  const endOffset = nextOffset > checkpoint.endOffset ? nextOffset : checkpoint.endOffset;
  return { ...checkpoint, nextOffset, endOffset, retry: null };
}

/** Passes offsets that cannot be delivered, and keeps them as a gap. */
export function passGap(checkpoint: Checkpoint, gap: Omit<Gap, 'fromOffset'>): Checkpoint {
  assert(gap.toOffset > checkpoint.nextOffset, 'there is something to pass');
  const fromOffset = checkpoint.nextOffset;
  return {
    ...advance(checkpoint, gap.toOffset),
    gaps: bounded([...checkpoint.gaps, { fromOffset, ...gap }]),
  };
}

/** Keeps the partition where it is until `retry.atMs`. */
export function holdBack(checkpoint: Checkpoint, retry: Retry): Checkpoint {
  assert(checkpoint.lease !== null, 'only the holder holds a record back');
  return { ...checkpoint, retry };
}

/** Gives the checkpoint up to whoever comes next. */
export function release(checkpoint: Checkpoint): Checkpoint {
  return { ...checkpoint, lease: null };
}

function bounded(gaps: readonly Gap[]): readonly Gap[] {
  const [oldest, second, ...rest] = gaps;
  if (gaps.length <= gapsMax || oldest === undefined || second === undefined) return gaps;
  return [{ ...second, fromOffset: oldest.fromOffset }, ...rest];
}
