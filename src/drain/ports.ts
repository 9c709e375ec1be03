import type { Verdict } from '../delivery/verdict.ts';
import type { TopicRecord } from '../events/record.ts';
import type { Checkpoint } from './checkpoint.ts';

/** A partition's bounds: the first offset that is kept, and the next to be written. */
export interface PartitionBounds {
  readonly partition: number;
  readonly earliestOffset: bigint;
  readonly latestOffset: bigint;
}

/** Reads topics. Every method throws a retryable error when the log cannot be reached. */
export interface RecordLog {
  /** Bounds of every partition, in one call; undefined when there is no such topic. */
  partitions(topic: string): Promise<readonly PartitionBounds[] | undefined>;
  /** Bounds of one partition. */
  partition(topic: string, partition: number): Promise<PartitionBounds>;
  /**
   * Records from `offset` on, and where to read next. Offsets may have gaps: a page can be empty although the
   * end is further on.
   */
  read(
    position: ReadPosition,
  ): Promise<{ readonly records: readonly TopicRecord[]; readonly nextOffset: bigint }>;
}

export interface ReadPosition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly count: number;
}

/** A checkpoint as it was stored; `version` changes with every write. */
export interface StoredCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly version: string;
}

/**
 * Keeps checkpoints. Writes are conditional, and losing one is a result: `undefined` says that somebody else
 * wrote first. Methods throw only when the store cannot be reached.
 */
export interface CheckpointStore {
  /** All checkpoints of a subscription, in one query. */
  list(subscription: string): Promise<readonly StoredCheckpoint[]>;
  /** Stores the first checkpoint of a partition. */
  create(checkpoint: Checkpoint): Promise<StoredCheckpoint | undefined>;
  /** Replaces the checkpoint that has `version`, and no other. */
  replace(checkpoint: Checkpoint, version: string): Promise<StoredCheckpoint | undefined>;
}

/** Makes one attempt to deliver a record. `failures` counts the attempts that failed before. */
export type Deliver = (record: TopicRecord, failures: number) => Promise<Verdict>;
