import { assert } from '../src/shared/assert.ts';
import type { Clock } from '../src/shared/clock.ts';
import { type LogDatabase, openDatabase } from './log-database.ts';
import { openPartition, type Partition } from './log-partition.ts';
import { type Retention, retentionOf, type TopicProperties } from './topic.ts';

/** A record to append; `partition` must be one of the topic's. */
export interface NewRecord {
  readonly partition: number;
  readonly key: string | null;
  readonly value: string;
}

/** A record as it is kept; `timestampMs` is when it was appended. */
export interface LogRecord extends NewRecord {
  readonly offset: bigint;
  readonly timestampMs: number;
}

/** What a partition holds: offsets from `earliest` up to, but without, `latest`. */
export interface OffsetRange {
  readonly earliest: bigint;
  readonly latest: bigint;
}

/** A topic to be made. */
export interface NewTopic {
  readonly name: string;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  readonly properties: TopicProperties;
}

/** A topic that is there. */
export interface TopicInfo extends NewTopic {
  readonly createdAtMs: number;
}

/** When a topic came into being and, unless it is there still (`Infinity`), when it was deleted. */
export interface TopicLifetime {
  readonly name: string;
  readonly createdAtMs: number;
  readonly deletedAtMs: number;
}

/** Which records of a partition are read. */
export interface ReadRequest {
  /** Where to start: from earliest to latest. */
  readonly offset: bigint;
  readonly countMax: number;
  /** The UTF-8 bytes of keys and values a page may hold; one record is given however large it is. */
  readonly bytesMax: number;
}

/** Records in the order of their offsets. */
export interface Page {
  readonly records: LogRecord[];
  /** Where to read on. Past a gap at the end of the partition. */
  readonly nextOffset: bigint;
}

/**
 * Topics of numbered partitions of records, in one SQLite file. Calls that name a topic or a partition require it
 * to exist; ask `topic` first. Records beyond a topic's retention are gone for every call.
 */
export interface TopicLog {
  topic(name: string): TopicInfo | undefined;
  /** The topics there are, and those deleted since the log was opened. */
  lifetimes(): TopicLifetime[];
  createTopic(topic: NewTopic): void;
  /** Removes the topic with its records: created anew, its offsets start at 0. */
  deleteTopic(name: string): void;
  /** Appends all records or, if it throws, none. Returns their offsets in the same order. */
  append(topic: string, records: readonly NewRecord[]): bigint[];
  /** The offset range of every partition, by its number. */
  ranges(topic: string): OffsetRange[];
  range(topic: string, partition: number): OffsetRange;
  read(topic: string, partition: number, request: ReadRequest): Page;
  /** Removes the records below `beforeOffset`, as retention does: `earliest` becomes `beforeOffset`. */
  deleteRecords(topic: string, partition: number, beforeOffset: bigint): void;
  /** Everything a topic holds, or one partition of it, for counting. A topic that is not there holds nothing. */
  allRecords(topic: string, partition?: number): LogRecord[];
  close(): void;
}

const everything: ReadRequest = { offset: 0n, countMax: Infinity, bytesMax: Infinity };

interface Topic extends TopicInfo {
  readonly retention: Retention;
  readonly partitions: readonly Partition[];
}

/**
 * Opens the log in the file `path`, or in memory for `:memory:`. What was appended to a file survives the death
 * of the process (not that of the machine: the file is synchronised at checkpoints only). One process at a time
 * can have the file open.
 *
 * @throws {SluiceError} when the file cannot be opened, is not a log, or is open elsewhere.
 */
export function openLog(options: { path: string; clock: Clock }): TopicLog {
  const { clock } = options;
  const database = openDatabase(options.path);
  const { inTransaction } = database;
  const store = createTopicStore(database, clock);
  const topics = store.load();
  const deleted: TopicLifetime[] = [];

  const topicOf = (name: string): Topic => {
    const topic = topics.get(name);
    assert(topic !== undefined, `Topic ${name} must exist.`);
    return topic;
  };
  const partitionOf = (topic: Topic, number: number): Partition => {
    const partition = topic.partitions[number];
    assert(partition !== undefined, `Topic ${topic.name} must have a partition ${number}.`);
    return partition;
  };
  const retained = (topic: Topic, partition: Partition): Partition => {
    partition.enforceRetention(topic.retention, clock.now());
    return partition;
  };
  const find = (topicName: string, number: number): Partition => {
    const topic = topicOf(topicName);
    return retained(topic, partitionOf(topic, number));
  };

  return {
    topic: (name) => topics.get(name),
    lifetimes: () => [
      ...deleted,
      ...topics
        .values()
        .map(({ name, createdAtMs }) => ({ name, createdAtMs, deletedAtMs: Number.POSITIVE_INFINITY })),
    ],
    createTopic: (details) => {
      assert(!topics.has(details.name), `Topic ${details.name} must not exist yet.`);
      topics.set(
        details.name,
        inTransaction(() => store.insert(details)),
      );
    },
    deleteTopic: (name) => {
      const topic = topicOf(name);
      inTransaction(() => store.remove(topic));
      topics.delete(name);
      deleted.push({ name, createdAtMs: topic.createdAtMs, deletedAtMs: clock.now() });
    },
    append: (name, records) => {
      const topic = topicOf(name);
      const touched = new Set<Partition>();
      const now = clock.now();
      const offsets = inTransaction(
        () => {
          const placed = records.map((record) => {
            const partition = partitionOf(topic, record.partition);
            touched.add(partition);
            return partition.append(record, now);
          });
          for (const partition of touched) partition.saveState();
          return placed;
        },
        () => {
          for (const partition of touched) partition.loadState();
        },
      );
      for (const partition of touched) partition.enforceRetention(topic.retention, now);
      return offsets;
    },
    ranges: (name) => {
      const topic = topicOf(name);
      return topic.partitions.map((partition) => retained(topic, partition).range());
    },
    range: (name, partition) => find(name, partition).range(),
    read: (name, partition, request) => find(name, partition).read(request),
    deleteRecords: (name, partition, beforeOffset) => find(name, partition).deleteBefore(beforeOffset),
    allRecords: (name, partition) => {
      const { partitionCount = 0 } = topics.get(name) ?? {};
      const numbers = partition === undefined ? [...Array(partitionCount).keys()] : [partition];
      return numbers.flatMap((number) => find(name, number).read(everything).records);
    },
    close: () => database.close(),
  };
}

interface TopicStore {
  load(): Map<string, Topic>;
  insert(details: NewTopic): Topic;
  remove(topic: Topic): void;
}

function createTopicStore(database: LogDatabase, clock: Clock): TopicStore {
  const partitionIds = database.prepare('SELECT id FROM partitions WHERE topic_id = ? ORDER BY number');

  const withPartitions = (id: bigint, details: Omit<TopicInfo, 'partitionCount'>): Topic => {
    const partitions = partitionIds
      .all(id)
      .map((row, number) => openPartition(database, Number(row.id), number));
    const retention = retentionOf(details.properties);
    return { ...details, partitionCount: partitions.length, retention, partitions };
  };

  return {
    load: () => {
      const rows = database.prepare('SELECT * FROM topics ORDER BY id').all();
      const topics = rows.map((row) =>
        withPartitions(BigInt(String(row.id)), {
          name: String(row.name),
          createdAtMs: Number(row.created_at_ms),
          replicationFactor: Number(row.replication_factor),
          properties: JSON.parse(String(row.properties)),
        }),
      );
      return new Map(topics.map((topic) => [topic.name, topic]));
    },
    insert: ({ name, partitionCount, replicationFactor, properties }) => {
      const createdAtMs = clock.now();
      const { lastInsertRowid: id } = database
        .prepare(
          'INSERT INTO topics (name, created_at_ms, replication_factor, properties) VALUES (?, ?, ?, ?)',
        )
        .run(name, createdAtMs, replicationFactor, JSON.stringify(properties));
      const insertPartition = database.prepare('INSERT INTO partitions (topic_id, number) VALUES (?, ?)');
      for (let number = 0; number < partitionCount; number++) insertPartition.run(id, number);
      return withPartitions(BigInt(id), { name, createdAtMs, replicationFactor, properties });
    },
    remove: (topic) => {
      for (const partition of topic.partitions) partition.drop();
      database
        .prepare('DELETE FROM partitions WHERE topic_id = (SELECT id FROM topics WHERE name = ?)')
        .run(topic.name);
      database.prepare('DELETE FROM topics WHERE name = ?').run(topic.name);
    },
  };
}
