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
  /** Set while the record at `nextOffset` waits for its next attempt. */
  readonly retry: Retry | null;
  /** What retention took before it could be delivered, newest last. */
  readonly gaps: readonly Gap[];
}

/** The right to advance a checkpoint until a time (milliseconds since the epoch). */
export interface Lease {
  readonly owner: string;
  readonly expiresAtMs: number;
}

export interface Retry {
  /** Attempts made so far, all of which failed. */
  readonly failures: number;
  readonly atMs: number;
  readonly error: string;
}

/** Offsets `fromOffset` up to, not including, `toOffset` are lost. */
export interface Gap {
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
  readonly atMs: number;
}

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

/** Moves the holder's position forward; a record that was held back is behind it then. */
export function advance(checkpoint: Checkpoint, nextOffset: bigint): Checkpoint {
  assert(checkpoint.lease !== null, 'only the holder advances a checkpoint');
  assert(nextOffset >= checkpoint.nextOffset, 'a checkpoint never goes backwards');
  if (nextOffset === checkpoint.nextOffset) return checkpoint;
  const endOffset = nextOffset > checkpoint.endOffset ? nextOffset : checkpoint.endOffset;
  return { ...checkpoint, nextOffset, endOffset, retry: null };
}

/** Moves on to the earliest offset that retention left, and keeps what was lost as a gap. */
export function skipLost(checkpoint: Checkpoint, earliestOffset: bigint, nowMs: number): Checkpoint {
  assert(earliestOffset > checkpoint.nextOffset, 'there is something lost');
  const gap = { fromOffset: checkpoint.nextOffset, toOffset: earliestOffset, atMs: nowMs };
  return { ...advance(checkpoint, earliestOffset), gaps: bounded([...checkpoint.gaps, gap]) };
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
  return [{ fromOffset: oldest.fromOffset, toOffset: second.toOffset, atMs: second.atMs }, ...rest];
}
