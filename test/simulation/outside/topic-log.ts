import type { Chance } from '../world/chance.ts';
import { hashOf } from '../world/chance.ts';
import type { World } from '../world/world.ts';

/** A record as the log keeps it, whatever retention has taken from those who read. */
export interface LoggedRecord {
  readonly topic: string;
  readonly partition: number;
  /** How often the topic had been made anew. */
  readonly generation: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly atMs: number;
  /** The event that it holds, by the name that its producer gave it. */
  readonly event: string | undefined;
}

/** A partition's bounds at a time. */
interface Bounds {
  readonly atMs: number;
  readonly earliest: number;
  readonly latest: number;
}

/** A partition of the log: everything that was ever written, and from where on it can still be read. */
export interface LogPartition {
  readonly records: LoggedRecord[];
  earliest: number;
  latest: number;
  /** The bounds that were, the oldest first: it is there since the first of them. */
  readonly past: Bounds[];
}

/** A topic from when it is made until it is deleted; one that is made anew is another. */
export interface LogTopic {
  readonly name: string;
  /** How often a topic of this name had been made before. */
  readonly generation: number;
  readonly partitions: LogPartition[];
  readonly createdMs: number;
  /** When it was deleted; undefined as long as it is there. */
  deletedMs: number | undefined;
}

/** A record that is to be written. */
export interface NewRecord {
  readonly value: unknown;
  readonly key?: string;
  readonly partition?: number;
}

/** The log behind the proxy, and the witness of what it ever held. */
export interface TopicLog {
  /** The topics that are there now. */
  readonly topics: ReadonlyMap<string, LogTopic>;
  create(name: string, partitions: number): void;
  remove(name: string): void;
  /** Deletes a topic and makes it again at once, with nothing in it. */
  makeAnew(name: string): void;
  /** Adds an empty partition. */
  grow(topic: LogTopic): void;
  /** The topic that had a name when it had been made anew so often. */
  generation(name: string, generation: number): LogTopic | undefined;
  /** The last topic of a name, which may be deleted. */
  newest(name: string): LogTopic | undefined;
  /** The topics that were there at a time. */
  topicsAt(atMs: number): readonly LogTopic[];
  /** Whether a topic was away for a while between two of its name, or is so now. */
  wasAway(name: string): boolean;
  /** Tells of topics that got a record, were made anew, or grew. */
  onChange(listener: (topic: LogTopic) => void): void;
  /** Where a record of this key and partition goes. */
  partitionFor(topic: LogTopic, record: NewRecord): number;
  append(topic: LogTopic, partition: number, record: NewRecord): LoggedRecord;
  /** Takes the oldest records of a partition from those who read. */
  retain(topic: LogTopic, partition: number, earliest: number): void;
  /** Records of an event, in the order in which they were written. */
  of(event: string): readonly LoggedRecord[];
}

/** The property by which every record that is JSON says where it stands, so that a receiver's witness knows. */
export const placeProperty = 'simplace';

/** Written as in `orders/0/17`. */
export function placeOf(record: { topic: string; partition: number; offset: number | bigint }): string {
  return `${record.topic}/${record.partition}/${record.offset}`;
}

/** A place as records tell it of themselves: of a topic made anew, as in `orders/0/17/1`. */
function marked(place: Parameters<typeof placeOf>[0], generation: number): string {
  return generation === 0 ? placeOf(place) : `${placeOf(place)}/${generation}`;
}

/** Makes the log of a world, without topics. */
export function createTopicLog(world: World): TopicLog {
  const topics = new Map<string, LogTopic>();
  const generations = new Map<string, LogTopic[]>();
  const listeners: ((topic: LogTopic) => void)[] = [];
  const byEvent = new Map<string, LoggedRecord[]>();
  const chance: Chance = world.chance('log');

  function changed(partition: LogPartition): void {
    partition.past.push({ atMs: world.nowMs(), earliest: partition.earliest, latest: partition.latest });
  }

  /** Offsets without a record: compaction, and the markers of transactions. */
  function leaveOut(partition: LogPartition): void {
    if (world.strikes('log leaves offsets out')) partition.latest += chance.integer(1, 3);
  }

  function add({ partitions }: LogTopic): void {
    const partition: LogPartition = { records: [], earliest: 0, latest: 0, past: [] };
    partitions.push(partition);
    changed(partition);
  }

  function create(name: string, count: number): void {
    const former = generations.get(name) ?? [];
    const topic: LogTopic = {
      name,
      generation: former.length,
      partitions: [],
      createdMs: world.nowMs(),
      deletedMs: undefined,
    };
    generations.set(name, [...former, topic]);
    topics.set(name, topic);
    for (let added = 0; added < count; added += 1) add(topic);
    for (const listener of listeners) listener(topic);
  }

  function remove(name: string): void {
    const topic = topics.get(name);
    if (topic === undefined) return;
    topic.deletedMs = world.nowMs();
    topics.delete(name);
    // Nothing of it can be read any more.
    for (const partition of topic.partitions) partition.earliest = partition.latest;
  }

  return {
    topics,
    create,
    remove,
    makeAnew(name) {
      const count = topics.get(name)?.partitions.length ?? 0;
      remove(name);
      create(name, count);
    },
    grow(topic) {
      add(topic);
      for (const listener of listeners) listener(topic);
    },
    generation: (name, generation) => generations.get(name)?.[generation],
    newest: (name) => generations.get(name)?.at(-1),
    topicsAt: (atMs) =>
      [...generations.values()].flatMap((all) =>
        all.filter(({ createdMs, deletedMs = atMs + 1 }) => createdMs <= atMs && atMs < deletedMs),
      ),
    wasAway: (name) =>
      (generations.get(name) ?? []).some(
        ({ deletedMs }, index, all) => deletedMs !== undefined && all[index + 1]?.createdMs !== deletedMs,
      ),
    onChange: (listener) => listeners.push(listener),
    partitionFor(topic, { key, partition }) {
      if (partition !== undefined) return partition;
      const count = topic.partitions.length;
      return key === undefined ? chance.integer(0, count - 1) : hashOf(key) % count;
    },
    append(topic, number, { value, key }) {
      const partition = topic.partitions[number] as LogPartition;
      leaveOut(partition);
      const offset = partition.latest;
      const record: LoggedRecord = {
        topic: topic.name,
        partition: number,
        generation: topic.generation,
        offset,
        key: key ?? null,
        value: textOf(value, marked({ topic: topic.name, partition: number, offset }, topic.generation)),
        atMs: world.nowMs(),
        event: eventOf(value),
      };
      partition.records.push(record);
      partition.latest += 1;
      leaveOut(partition);
      changed(partition);
      for (const listener of listeners) listener(topic);
      if (record.event !== undefined) {
        const known = byEvent.get(record.event);
        if (known === undefined) byEvent.set(record.event, [record]);
        else known.push(record);
      }
      return record;
    },
    retain(topic, number, earliest) {
      const partition = topic.partitions[number] as LogPartition;
      partition.earliest = earliest;
      changed(partition);
    },
    of: (event) => byEvent.get(event) ?? [],
  };
}

/** Values come back as text. What is an object says where it stands. */
function textOf(value: unknown, place: string): string | null {
  if (value === null) return null;
  if (typeof value === 'object') return JSON.stringify({ ...value, [placeProperty]: place });
  return typeof value === 'string' ? `${value} ${placeProperty}":"${place}"` : JSON.stringify(value);
}

/** Events name themselves in their data, so that records which hold only the data name them too. */
export function eventOf(value: unknown): string | undefined {
  const data = property(value, 'data') ?? value;
  const event = property(data, 'event');
  return typeof event === 'string' ? event : undefined;
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
