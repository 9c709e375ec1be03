import assert from 'node:assert/strict';
import type { RecordLog } from '../../src/drain/ports.ts';
import type { TopicRecord } from '../../src/events/record.ts';

/** Topics in memory: per partition its records, and the first that retention has left. */
export function createMemoryLog() {
  const partitions = new Map<string, { records: TopicRecord[]; earliest: bigint; end: bigint }>();
  const calls: string[] = [];
  const of = (topic: string, partition: number) => {
    const found = partitions.get(`${topic}:${partition}`);
    assert.ok(found, `no partition ${topic}:${partition}`);
    return found;
  };
  const bounds = (topic: string, partition: number) => {
    const { earliest, end } = of(topic, partition);
    return { partition, earliestOffset: earliest, latestOffset: end };
  };
  const log: RecordLog = {
    partitions: async (topic) => {
      calls.push(`partitions ${topic}`);
      const numbers = [...partitions.keys()].filter((name) => name.startsWith(`${topic}:`));
      if (numbers.length === 0) return undefined;
      return numbers.map((name) => bounds(topic, Number(name.split(':')[1])));
    },
    partition: async (topic, partition) =>
      partitions.has(`${topic}:${partition}`) ? bounds(topic, partition) : undefined,
    read: async ({ topic, partition, offset, count }) => {
      calls.push(`read ${topic}:${partition}@${offset}`);
      const { records, earliest } = of(topic, partition);
      if (offset < earliest) throw new Error('offset out of range');
      const found = records.filter((record) => record.offset >= offset).slice(0, count);
      return { records: found, nextOffset: (found.at(-1)?.offset ?? offset - 1n) + 1n };
    },
  };
  return {
    log,
    /** What was asked of the log, such as `partitions orders` and `read orders:0@7`. */
    calls,
    bounds,
    /** Sets a partition's records: offsets without a key, or `<offset>` and key such as `[3, 'a']`. */
    add(
      topic: string,
      partition: number,
      entries: readonly (number | readonly [number, string])[],
      end?: number,
    ) {
      const records = entries.map((entry) => {
        const [offset, key] = typeof entry === 'number' ? [entry, null] : entry;
        return { ...emptyRecord, topic, partition, offset: BigInt(offset), key };
      });
      const last = records.at(-1)?.offset ?? -1n;
      const earliest = partitions.get(`${topic}:${partition}`)?.earliest ?? 0n;
      partitions.set(`${topic}:${partition}`, {
        records,
        earliest,
        end: end === undefined ? last + 1n : BigInt(end),
      });
    },
    /** Puts one record at the end of a partition, or further on; its time is its offset unless given. */
    append(
      topic: string,
      partition: number,
      given: Partial<Pick<TopicRecord, 'offset' | 'timestampMs'>> = {},
    ): TopicRecord {
      const found = of(topic, partition);
      const offset = given.offset ?? found.end;
      const record = { ...emptyRecord, topic, partition, offset, timestampMs: offset, ...given };
      found.records.push(record);
      found.end = offset + 1n;
      return record;
    },
    /** Deletes a partition, as a topic does not have it that is made anew with fewer. */
    remove(topic: string, partition: number) {
      partitions.delete(`${topic}:${partition}`);
    },
    retainFrom(topic: string, partition: number, earliest: bigint) {
      const found = of(topic, partition);
      found.earliest = earliest;
      found.records = found.records.filter(({ offset }) => offset >= earliest);
    },
  };
}

const emptyRecord = { key: null, value: '{}', timestampMs: 0n };
