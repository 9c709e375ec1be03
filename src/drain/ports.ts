import type { Attempt } from '../events/dead-letter.ts';
import type { TopicRecord } from '../events/record.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { EndpointState } from './endpoint-state.ts';

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
  /** Bounds of one partition; undefined when there is no such topic, or it has no such partition. */
  partition(topic: string, partition: number): Promise<PartitionBounds | undefined>;
  /**
   * Records from `offset` on, and where to read next. Offsets may have gaps: a page can be empty although the
   * end is further on.
   */
  read(
    position: ReadPosition,
  ): Promise<{ readonly records: readonly TopicRecord[]; readonly nextOffset: bigint }>;
}

/** Where to read, and at most how many records. */
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

/** Where a subscription stands. */
export interface Standing {
  readonly checkpoints: readonly StoredCheckpoint[];
  readonly endpoint: StoredEndpoint | undefined;
}

/**
 * Keeps checkpoints. Writes are conditional, and losing one is a result: `undefined` says that somebody else
 * wrote first. Methods throw only when the store cannot be reached.
 */
export interface CheckpointStore {
  /** Where a subscription stands: all its checkpoints, and the state of its endpoint if one was stored. One query. */
  list(subscription: string): Promise<Standing>;
  /** The state of an endpoint, read by itself; undefined when none was stored. */
  readEndpoint(subscription: string): Promise<StoredEndpoint | undefined>;
  /** Stores the first state of an endpoint. */
  createEndpoint(endpoint: EndpointState): Promise<StoredEndpoint | undefined>;
  /** Replaces the state that has `version`, and no other. */
  replaceEndpoint(endpoint: EndpointState, version: string): Promise<StoredEndpoint | undefined>;
  /** One checkpoint; undefined when there is none. */
  read(place: PartitionPlace): Promise<StoredCheckpoint | undefined>;
  /** Stores the first checkpoint of a partition. */
  create(checkpoint: Checkpoint): Promise<StoredCheckpoint | undefined>;
  /** Replaces the checkpoint that has `version`, and no other. */
  replace(checkpoint: Checkpoint, version: string): Promise<StoredCheckpoint | undefined>;
}

/** A partition of a topic, as one subscription sees it. */
export interface PartitionPlace {
  readonly subscription: string;
  readonly topic: string;
  readonly partition: number;
}

/** A record that waits for its next attempt, with what came of the attempts so far. */
export interface ParkedRecord {
  readonly record: TopicRecord;
  /** Attempts made so far, all of which failed; 0 for one that only waits behind another of its key. */
  readonly failures: number;
  /** No attempt before this (milliseconds since the epoch). */
  readonly nextAttemptMs: number;
  /** What is remembered of the attempts, the oldest first. */
  readonly attempts: readonly Attempt[];
}

/** A parked record in a list: without its value and its attempts. */
export interface ParkedEntry extends Omit<ParkedRecord, 'record' | 'attempts'> {
  readonly offset: bigint;
  readonly key: string | null;
}

/** `put` parks a record, or replaces what is parked under its offset. */
export type ParkedChange =
  | { readonly kind: 'put'; readonly parked: ParkedRecord }
  | { readonly kind: 'remove'; readonly offset: bigint };

/**
 * Keeps parked records. A partition's parked records are fenced like its checkpoint: whoever *opens* them shuts
 * everyone else out, whose writes are refused from then on.
 */
export interface ParkedStore {
  /**
   * Takes the parked records of a partition over, as the holder of its checkpoint since the claim `epoch`. Whoever
   * comes after a later holder has opened them is shut out from the beginning.
   */
  open(place: PartitionPlace, epoch: number): Promise<ParkedPartition>;
}

/** The parked records of one partition, as long as nobody else opens them. Writes come one after another. */
export interface ParkedPartition {
  /** What was parked when they were opened, in the order of offsets. */
  readonly entries: readonly ParkedEntry[];
  /** A record, whole; undefined when it is not parked. */
  read(offset: bigint): Promise<ParkedRecord | undefined>;
  /**
   * Makes changes durable, in their order. False: somebody else has opened the partition, and what was not yet
   * written is not.
   */
  write(changes: readonly ParkedChange[]): Promise<boolean>;
}

/** An endpoint's state as it was stored; `version` changes with every write. */
export interface StoredEndpoint {
  readonly endpoint: EndpointState;
  readonly version: string;
}
