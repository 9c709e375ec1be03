/** What decides a record's partition. */
export interface Placeable {
  /** The partition the producer asked for. */
  readonly partition: number | undefined;
  readonly key: string | null;
}

/** Chooses a partition below `partitionCount` for a record of `topic`. */
export type Partitioner = (topic: string, partitionCount: number, record: Placeable) => number;

/**
 * Places records as Kafka's default partitioner does: where the producer says, else by the key's hash, else each
 * partition of the topic in turn.
 *
 * Source: `BuiltInPartitioner.partitionForKey` and `RoundRobinPartitioner` of Apache Kafka.
 */
export function createPartitioner(): Partitioner {
  const turns = new Map<string, number>();
  return (topic, partitionCount, { partition, key }) => {
    if (partition !== undefined) return partition;
    if (key !== null) return (murmur2(Buffer.from(key)) & 0x7fffffff) % partitionCount;
    const turn = turns.get(topic) ?? 0;
    turns.set(topic, (turn + 1) % partitionCount);
    return turn % partitionCount;
  };
}

const seed = 0x9747b28c;
const multiplier = 0x5bd1e995;

/** MurmurHash 2 with Kafka's seed, as a signed 32-bit integer. Source: `Utils.murmur2` of Apache Kafka. */
export function murmur2(bytes: Buffer): number {
  const wordsEnd = bytes.length & ~3;
  let hash = seed ^ bytes.length;
  for (let at = 0; at < wordsEnd; at += 4) {
    let word = Math.imul(bytes.readInt32LE(at), multiplier);
    word = Math.imul(word ^ (word >>> 24), multiplier);
    hash = Math.imul(hash, multiplier) ^ word;
  }
  if (wordsEnd < bytes.length) {
    hash ^= bytes.readUIntLE(wordsEnd, bytes.length - wordsEnd);
    hash = Math.imul(hash, multiplier);
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier);
  return hash ^ (hash >>> 15);
}
