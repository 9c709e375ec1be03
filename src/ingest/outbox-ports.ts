import { SluiceError } from '../shared/error.ts';
import type { OutgoingRecord } from './ports.ts';

/**
 * Keeps records that were accepted and not yet produced, in batches, per topic and in the order in which they were
 * added. Conditional writes that lose answer `undefined` or false. Methods throw when the store cannot be reached.
 */
export interface OutboxStore {
  /**
   * Stores records of one topic; when it resolves, they are durable. Of calls that overlap, either may come first.
   * When it throws, some of a large batch may be stored all the same.
   *
   * @throws {RecordTooLargeError} when one of them fits into no batch; then none is stored.
   */
  add(topic: string, records: readonly OutgoingRecord[], nowMs: number): Promise<void>;
  /** The topics that have a backlog: one query, and one more for each topic that ever had one. */
  topics(): Promise<readonly string[]>;
  /** Whether anything of a topic waits: one query that reads at most one key. */
  hasBacklog(topic: string): Promise<boolean>;
  /** At most `max` batches, the oldest first, of those that come after the batch `afterId`. */
  list(topic: string, max: number, afterId?: string): Promise<readonly StoredBatch[]>;
  /** Replaces the batch that has this id and version; undefined when it is gone or somebody else wrote first. */
  replace(batch: StoredBatch): Promise<StoredBatch | undefined>;
  /** Removes the batch that has this id and version; false when it is gone or somebody else wrote first. */
  remove(batch: StoredBatch): Promise<boolean>;
  /** Who may flush a topic; undefined for a topic that never had a backlog. */
  readLease(topic: string): Promise<TopicLease | undefined>;
  /** Replaces the lease that has this version; undefined when somebody else wrote first. */
  replaceLease(lease: TopicLease): Promise<TopicLease | undefined>;
}

/** Records of one topic, stored together. */
export interface StoredBatch {
  readonly topic: string;
  /** Unique within the topic; later ones sort after earlier ones. */
  readonly id: string;
  /** At least one. */
  readonly records: readonly OutgoingRecord[];
  /** Attempts made so far, none of which finished the batch. */
  readonly attempts: number;
  /** When the next attempt is due (milliseconds since the epoch); 0 before the first. */
  readonly nextAttemptMs: number;
  /** Why the last attempt failed; empty before the first. */
  readonly error: string;
  /** Changes with every write. */
  readonly version: string;
}

/** The right to flush a topic until a time (milliseconds since the epoch); 0 says that nobody has it. */
export interface TopicLease {
  readonly topic: string;
  readonly owner: string;
  readonly expiresAtMs: number;
  /** Changes with every write. */
  readonly version: string;
}

/** A record is too large to be stored, even alone. It never will fit: a case for the dead letters. */
export class RecordTooLargeError extends SluiceError {
  /** Its place among the records that were to be stored. */
  readonly index: number;

  constructor(index: number, bytes: number, bytesMax: number) {
    super({
      code: 'outbox.record-too-large',
      message: `record ${index} is ${bytes} bytes when compressed; the outbox takes at most ${bytesMax}`,
      retryable: false,
    });
    this.index = index;
  }
}
