import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { createMemoryLog } from '../../test/support/memory-log.ts';
import { seededRandom } from '../../test/support/seeded-random.ts';
import type { Delivery } from '../delivery/deliver.ts';
import type { Verdict } from '../delivery/verdict.ts';
import type { TopicRecord } from '../events/record.ts';
import { silentLog } from '../shared/log.ts';
import { silentTelemetry } from '../shared/telemetry.ts';
import { createMemoryCheckpointStore } from '../storage/memory/checkpoint-store.ts';
import { createMemoryDeadLetters } from '../storage/memory/dead-letters.ts';
import { createMemoryParkedStore } from '../storage/memory/parked.ts';
import { createDrain } from './drain.ts';
import type { Ordering } from './lanes.ts';
import type { CheckpointStore, ParkedPartition, ParkedStore, RecordLog } from './ports.ts';

const recordCount = 60;
const windowRecords = 16;
const calmRoundsMax = 400;
const attemptMs = 2_000;
const leaseMs = 10_000;
const place = { subscription: 'audit', topic: 'orders', partition: 0 };

interface Plan {
  readonly seed: number;
  readonly ordering: Ordering;
  readonly recordsMax: number;
  readonly maxInFlight: number;
  readonly parkedMax: number;
  readonly keys: number;
  /** How likely an operation is hit by a fault, and an attempt fails. */
  readonly faults: number;
  readonly refusals: number;
}

/** One partition, walked by processes that die, stall and lose answers at any operation. */
function simulate(plan: Plan) {
  const clock = createManualClock(0);
  const chance = seededRandom(plan.seed);
  const topics = createMemoryLog();
  const checkpoints = createMemoryCheckpointStore();
  const parked = createMemoryParkedStore();
  const deadLetters = createMemoryDeadLetters();
  const newKey = () => `k${Math.floor(chance() * plan.keys)}`;
  topics.add(
    'orders',
    0,
    Array.from({ length: recordCount }, (_, offset) => [offset, newKey()] as const),
  );
  /** Successes at the endpoint, in their order. */
  const accepted: TopicRecord[] = [];
  /** What must never happen, and did. */
  const wrong: string[] = [];
  let faulty = true;
  let crashes = 0;
  let position = 0n;

  function process(owner: string) {
    const self = { dead: false, hit: false };
    /** Runs an operation of this process, which may die before or after it, stall, or miss the answer. */
    const step = async <T>(work: () => Promise<T>, mayThrow = true): Promise<T> => {
      if (self.dead) return new Promise<never>(() => undefined);
      const fate = faulty ? chance() : 1;
      const kind = fate < plan.faults ? Math.floor((fate / plan.faults) * 5) : 5;
      if (kind < 5 && !self.hit) crashes += 1;
      self.hit ||= kind < 5;
      if (kind === 0) self.dead = true;
      if (self.dead) return new Promise<never>(() => undefined);
      if (kind === 2 && mayThrow) throw new Error('away');
      if (kind === 4) await clock.sleep(chance() * 3 * leaseMs);
      else await clock.sleep(chance() * 50);
      if (self.dead) return new Promise<never>(() => undefined);
      const result = await work();
      if (kind === 1) self.dead = true;
      if (kind === 3 && mayThrow) throw new Error('answer lost');
      return self.dead ? new Promise<never>(() => undefined) : result;
    };
    const drain = createDrain({
      subscriptions: [
        {
          name: 'audit',
          topics: ['orders'],
          start: 'earliest',
          ordering: plan.ordering,
          maxInFlight: plan.maxInFlight,
          parkedMax: plan.parkedMax,
          dataLoss: 'skip',
          attemptMs,
          delivery: deliveryOf(owner, self),
          limits: {
            connectionsMax: 8,
            breaker: { failureRatio: 0.9, attemptsMin: 10, openMs: 5_000, openMsMax: 20_000 },
          },
        },
      ],
      log: steppedLog(step),
      checkpoints: steppedCheckpoints(step),
      parked: steppedParked(step),
      deadLetters: { ...deadLetters, add: (letter, key) => step(() => deadLetters.add(letter, key)) },
      clock,
      telemetry: silentTelemetry,
      limits: { budgetMs: 60_000, leaseMs, partitionsMax: 2, pageRecords: 7, windowRecords },
    });
    return { drain, self };
  }

  function deliveryOf(owner: string, self: { dead: boolean }): Delivery {
    return {
      batch: { recordsMax: plan.recordsMax, bytesMax: 1_000, lingerMs: 0 },
      prepare: (record) => ({ kind: 'ready', prepared: { record, target: '', bytes: 1 } }),
      async attempt(prepared, failures) {
        const atMs = clock.now();
        const row = (await checkpoints.read(place))?.checkpoint;
        if (row?.lease?.owner !== owner) wrong.push(`${owner} delivers without a lease`);
        if ((row?.lease?.expiresAtMs ?? 0) < atMs + attemptMs)
          wrong.push('the lease is shorter than the attempt');
        await clock.sleep(chance() * 200);
        if (self.dead) return new Promise<never>(() => undefined);
        const verdict = verdictFor(prepared.length, failures);
        if (verdict.kind === 'done') accepted.push(...prepared.map(({ record }) => record));
        return { attempt: { atMs, latencyMs: 0, status: null, answer: '' }, verdict };
      },
    };
  }

  function verdictFor(records: number, failures: number): Verdict {
    if (chance() >= plan.refusals) return { kind: 'done' };
    if (records > 1 && chance() < 0.5) return { kind: 'split', error: 'answered 400', endpoint: 'refusing' };
    if (failures > 5) {
      return {
        kind: 'dead-letter',
        reason: { code: 'delivery.exhausted', message: '' },
        endpoint: 'refusing',
      };
    }
    const endpoint = chance() < 0.5 ? 'failing' : 'refusing';
    return {
      kind: 'retry',
      atMs: clock.now() + Math.round(chance() * 5_000),
      error: 'answered 500',
      endpoint,
    };
  }

  type Step = <T>(work: () => Promise<T>, mayThrow?: boolean) => Promise<T>;
  function steppedLog(step: Step): RecordLog {
    const { log } = topics;
    return {
      partitions: (topic) => step(() => log.partitions(topic)),
      partition: (topic, partition) => step(() => log.partition(topic, partition)),
      read: (position) => step(() => log.read(position)),
    };
  }
  function steppedCheckpoints(step: Step): CheckpointStore {
    return {
      list: (subscription) => step(() => checkpoints.list(subscription)),
      read: (at) => step(() => checkpoints.read(at)),
      create: (checkpoint) => step(() => checkpoints.create(checkpoint)),
      replace: (checkpoint, version) =>
        step(async () => {
          const written = await checkpoints.replace(checkpoint, version);
          if (written !== undefined) {
            if (checkpoint.nextOffset < position) wrong.push('a checkpoint went backwards');
            position = checkpoint.nextOffset;
          }
          return written;
        }),
      readEndpoint: (subscription) => step(() => checkpoints.readEndpoint(subscription)),
      createEndpoint: (endpoint) => step(() => checkpoints.createEndpoint(endpoint)),
      replaceEndpoint: (endpoint, version) => step(() => checkpoints.replaceEndpoint(endpoint, version)),
    };
  }
  function steppedParked(step: Step): ParkedStore {
    return {
      async open(at, epoch) {
        const opened: ParkedPartition = await step(() => parked.open(at, epoch));
        return {
          entries: opened.entries,
          read: (offset) => step(() => opened.read(offset)),
          write: (changes) => step(() => opened.write(changes)),
        };
      },
    };
  }

  return {
    clock,
    accepted,
    deadLetters,
    checkpoints,
    parked,
    wrong,
    process,
    calm() {
      faulty = false;
    },
    crashes: () => crashes,
  };
}

async function runSimulation(plan: Plan): Promise<void> {
  const world = simulate(plan);
  const { clock } = world;
  let failure: unknown;
  const start = (name: string) => {
    const { drain } = world.process(name);
    drain.run({ owner: name, report: silentLog }).catch((error: unknown) => {
      const errors = error instanceof AggregateError ? error.errors : [error];
      failure ??= errors.find((one) => !(one instanceof Error) || !/away|lost/.test(one.message));
    });
  };
  for (let round = 0; round < 12; round += 1) {
    start(`a${round}`);
    start(`b${round}`);
    await clock.advance(20_000);
  }
  world.calm();
  for (let round = 0; round < calmRoundsMax; round += 1) {
    const stored = (await world.checkpoints.read(place))?.checkpoint;
    if (stored?.nextOffset === BigInt(recordCount) && stored.parked.count === 0 && stored.lease === null)
      break;
    start(`c${round}`);
    await clock.advance(20_000);
  }
  if (failure !== undefined) throw failure;

  assert.deepEqual(world.wrong, []);
  assert.deepEqual(
    (await world.parked.open(place, Number.MAX_SAFE_INTEGER)).entries,
    [],
    'no parked record is forgotten',
  );

  const letters = await world.deadLetters.list('audit', { max: 1_000 });
  const done = new Set([
    ...world.accepted.map(({ offset }) => Number(offset)),
    ...letters.map(({ key }) => Number(key.split(':')[2])),
  ]);
  assert.deepEqual(
    [...done].sort((a, b) => a - b),
    [...Array(recordCount).keys()],
    'nothing is lost',
  );
  const last = (await world.checkpoints.read(place))?.checkpoint;
  assert.equal(last?.nextOffset, BigInt(recordCount));
  assert.deepEqual(last?.parked, { count: 0, nextAttemptMs: 0 });
  assert.deepEqual(last?.finished, []);

  const firsts = [...new Map(world.accepted.map((record) => [record.offset, record])).values()];
  const seen = new Map<string, bigint>();
  for (const { key, offset } of firsts) {
    const lane = plan.ordering === 'partition' ? '' : plan.ordering === 'key' ? (key ?? '') : String(offset);
    assert.ok((seen.get(lane) ?? -1n) < offset, `${offset} overtook in ${lane}`);
    seen.set(lane, offset);
  }
  const repeated = world.accepted.length - firsts.length;
  assert.ok(repeated <= world.crashes() * windowRecords, `${repeated} repeated`);
  if (plan.faults === 0) assert.equal(repeated, 0, 'without faults nothing comes twice');
}

test('whatever fails, and whenever a process dies: nothing is lost, order holds, little comes twice', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        seed: fc.integer(),
        ordering: fc.constantFrom<Ordering>('key', 'partition', 'none'),
        recordsMax: fc.constantFrom(1, 4),
        maxInFlight: fc.constantFrom(1, 4),
        parkedMax: fc.constantFrom(4, 50),
        keys: fc.constantFrom(1, 3, 20),
        faults: fc.constantFrom(0, 0.01, 0.05),
        refusals: fc.constantFrom(0, 0.2, 0.5),
      }),
      runSimulation,
    ),
    { numRuns: 100 },
  );
});
