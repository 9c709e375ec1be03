import type { Delivery } from '../../src/delivery/deliver.ts';
import type { Verdict } from '../../src/delivery/verdict.ts';
import { createDrain, type DrainLimits, type Subscription } from '../../src/drain/drain.ts';
import type { CheckpointStore, ParkedStore } from '../../src/drain/ports.ts';
import type { DeadLetterStore } from '../../src/events/dead-letter.ts';
import type { TopicRecord } from '../../src/events/record.ts';
import { type Log, silentLog } from '../../src/shared/log.ts';
import { silentTelemetry } from '../../src/shared/telemetry.ts';
import { createMemoryCheckpointStore } from '../../src/storage/memory/checkpoint-store.ts';
import { createMemoryDeadLetters } from '../../src/storage/memory/dead-letters.ts';
import { createMemoryParkedStore } from '../../src/storage/memory/parked.ts';
import { createManualClock } from './manual-clock.ts';
import { createMemoryLog } from './memory-log.ts';

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
  readonly report?: Log;
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
    return { owner: `run-${runs}`, report: options.report ?? silentLog };
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
