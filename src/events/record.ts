/** A record as it stands in a topic. Keys and values are text: the REST proxy gives them back so. */
export interface TopicRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string | null;
  /** Null for a tombstone. */
  readonly value: string | null;
  /** Milliseconds since the epoch, as the broker keeps it. */
  readonly timestampMs: bigint;
}

/**
 * The `webhook-id` of a record: the same for every attempt, run and instance, so that a receiver can recognise a
 * duplicate. Standard Webhooks allows no dot in it; `~` stands for one, which no topic name can hold.
 */
export function webhookIdOf(record: Pick<TopicRecord, 'topic' | 'partition' | 'offset'>): string {
  return `${record.topic.replaceAll('.', '~')}_${record.partition}_${record.offset}`;
}

/** Offsets are int64: this many digits hold each of them. */
const offsetDigits = 19;

/** An offset as text that sorts like the number, for keys of tables. */
export function sortableOffset(offset: bigint): string {
  return offset.toString().padStart(offsetDigits, '0');
}
