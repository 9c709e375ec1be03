import assert from 'node:assert/strict';
import type { Delivery } from '../../src/delivery/deliver.ts';
import type { Verdict } from '../../src/delivery/verdict.ts';
import { createDrain, type DrainLimits, type Subscription } from '../../src/drain/drain.ts';
import type { CheckpointStore, ParkedStore, RecordLog } from '../../src/drain/ports.ts';
import type { DeadLetterStore } from '../../src/events/dead-letter.ts';
import type { TopicRecord } from '../../src/events/record.ts';
import { silentLog } from '../../src/shared/log.ts';
import { silentTelemetry } from '../../src/shared/telemetry.ts';
import { createMemoryCheckpointStore } from '../../src/storage/memory/checkpoint-store.ts';
import { createMemoryDeadLetters } from '../../src/storage/memory/dead-letters.ts';
import { createMemoryParkedStore } from '../../src/storage/memory/parked.ts';
import { createManualClock } from './manual-clock.ts';

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
    calls,
    /** Sets a partition's records: offsets without a key, or `<offset>` and key such as `[3, 'a']`. */
    add(
      topic: string,
      partition: number,
      entries: readonly (number | readonly [number, string])[],
      end?: number,
    ) {
      const records = entries.map((entry) => {
        const [offset, key] = typeof entry === 'number' ? [entry, null] : entry;
        return recordAt(topic, partition, BigInt(offset), key);
      });
      const last = records.at(-1)?.offset ?? -1n;
      const earliest = partitions.get(`${topic}:${partition}`)?.earliest ?? 0n;
      partitions.set(`${topic}:${partition}`, {
        records,
        earliest,
        end: end === undefined ? last + 1n : BigInt(end),
      });
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

function recordAt(topic: string, partition: number, offset: bigint, key: string | null): TopicRecord {
  return { topic, partition, offset, key, value: '{}', timestampMs: 0n };
}

/** What an attempt comes to; nothing said: done. */
export type Answer = (
  records: readonly TopicRecord[],
  failures: number,
) => Promise<Verdict | undefined> | Verdict | undefined;

/** What of the world differs from the usual: done at once, in order of keys, nothing stored yet. */
export interface WorldOptions {
  readonly answer?: Answer;
  readonly prepare?: Delivery['prepare'];
  readonly batch?: Partial<Delivery['batch']>;
  readonly allowedPerSecond?: Delivery['allowedPerSecond'];
  readonly subscription?: Partial<Subscription>;
  readonly limits?: Partial<DrainLimits>;
  readonly checkpoints?: CheckpointStore;
  readonly parked?: ParkedStore;
  readonly deadLetters?: DeadLetterStore;
}

/** The bounds of a run in the world. */
export const worldLimits: DrainLimits = {
  budgetMs: 60_000,
  leaseMs: 10_000,
  partitionsMax: 4,
  pageRecords: 3,
};
/** The longest that an attempt takes there. */
export const attemptMs = 2_000;

/** A drain of one subscription in memory, on a clock that stands still at 0 until it is moved. */
export function createDrainWorld(options: WorldOptions = {}) {
  const clock = createManualClock(0);
  const topics = createMemoryLog();
  const writes: string[] = [];
  const checkpoints = counted(options.checkpoints ?? createMemoryCheckpointStore(), writes);
  const parked = options.parked ?? createMemoryParkedStore();
  const deadLetters = options.deadLetters ?? createMemoryDeadLetters();
  /** Records that were taken, as `<partition>@<offset>`. */
  const delivered: string[] = [];
  /** Requests as the endpoint saw them: offsets joined by commas. */
  const requests: string[] = [];
  let runs = 0;

  const delivery: Delivery = {
    batch: { recordsMax: 1, bytesMax: 1_000_000, lingerMs: 0, ...options.batch },
    allowedPerSecond: () => options.allowedPerSecond?.(),
    prepare:
      options.prepare ??
      ((record) => ({ kind: 'ready', prepared: { record, target: '', bytes: record.value?.length ?? 0 } })),
    async attempt(prepared, failures) {
      const atMs = clock.now();
      const records = prepared.map(({ record }) => record);
      requests.push(records.map(({ offset }) => offset).join(','));
      const verdict = (await options.answer?.(records, failures)) ?? { kind: 'done' };
      if (verdict.kind === 'done') {
        delivered.push(...records.map(({ partition, offset }) => `${partition}@${offset}`));
      }
      const answer = 'error' in verdict ? verdict.error : '';
      return { attempt: { atMs, latencyMs: clock.now() - atMs, status: null, answer }, verdict };
    },
  };
  const subscription: Subscription = {
    name: 'audit',
    topics: ['orders'],
    start: 'earliest',
    ordering: 'key',
    maxInFlight: 4,
    parkedMax: 100,
    dataLoss: 'skip',
    attemptMs,
    delivery,
    limits: {
      connectionsMax: 64,
      breaker: { failureRatio: 0.5, attemptsMin: 1_000, openMs: 30_000, openMsMax: 600_000 },
    },
    ...options.subscription,
  };
  /** Another instance of the app, with gates of its own. */
  const instance = (changes: Partial<Subscription> = {}) =>
    createDrain({
      subscriptions: [{ ...subscription, ...changes }],
      log: topics.log,
      checkpoints,
      parked,
      deadLetters,
      clock,
      telemetry: silentTelemetry,
      limits: { ...worldLimits, ...options.limits },
    });
  let drain = instance();
  const context = () => {
    runs += 1;
    return { owner: `run-${runs}`, report: silentLog };
  };

  return {
    clock,
    topics,
    checkpoints,
    parked,
    deadLetters,
    writes,
    delivered,
    requests,
    run: () => drain.run(context()),
    plan: () => drain.plan(context()),
    walk: (partition: number) => drain.walk({ subscription: 'audit', topic: 'orders', partition }, context()),
    /** A run of another instance, as it is configured there. */
    runElsewhere: (changes?: Partial<Subscription>) => instance(changes).run(context()),
    /** The instance is replaced: what it only remembered is gone. */
    restart(changes?: Partial<Subscription>) {
      drain = instance(changes);
    },
    async position(partition = 0) {
      const stored = await checkpoints.read({ subscription: 'audit', topic: 'orders', partition });
      return stored?.checkpoint;
    },
    async endpoint() {
      return (await checkpoints.readEndpoint('audit'))?.endpoint;
    },
    async letters() {
      return deadLetters.list('audit', { max: 100 });
    },
  };
}

/** Notes each write. */
function counted(store: CheckpointStore, writes: string[]): CheckpointStore {
  return {
    ...store,
    create(checkpoint) {
      writes.push('create');
      return store.create(checkpoint);
    },
    replace(checkpoint, version) {
      writes.push('replace');
      return store.replace(checkpoint, version);
    },
    createEndpoint(endpoint) {
      writes.push(`endpoint ${endpoint.state}`);
      return store.createEndpoint(endpoint);
    },
    replaceEndpoint(endpoint, version) {
      writes.push(`endpoint ${endpoint.state}`);
      return store.replaceEndpoint(endpoint, version);
    },
  };
}
