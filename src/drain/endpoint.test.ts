import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Answer,
  attemptMs,
  createDrainWorld,
  type WorldOptions,
} from '../../test/support/drain-world.ts';
import { createMemoryCheckpointStore } from '../storage/memory/checkpoint-store.ts';
import { activeEndpoint, stopEndpoint } from './endpoint-state.ts';

const breaker = { failureRatio: 0.5, attemptsMin: 4, openMs: 30_000, openMsMax: 100_000 };
const limits = { connectionsMax: 64, breaker };

/** An endpoint that fails as long as it is told to, with records that are soon tried again. */
function failingWorld(options: WorldOptions = {}) {
  const health = { failing: true };
  const answer: Answer = () =>
    health.failing ? { kind: 'retry', atMs: 0, error: 'answered 503', endpoint: 'failing' } : undefined;
  const world = createDrainWorld({ answer, ...options, subscription: { limits, ...options.subscription } });
  return { ...world, health };
}

test('an endpoint that fails is left alone, probed with one record, and takes up where it was', async () => {
  const { topics, run, requests, clock, endpoint, health, delivered, writes, plan } = failingWorld();
  topics.add('orders', 0, [...Array(30).keys()]);
  topics.add('orders', 1, [...Array(30).keys()]);
  await run();
  const attempts = requests.length;
  assert.ok(attempts >= 4 && attempts <= 12, `${attempts} attempts`);
  assert.equal((await endpoint())?.state, 'broken');
  assert.equal((await endpoint())?.probeAtMs, 30_000);
  const why = 'at least 50 % of the last 4 attempts failed, the last: answered 503';
  assert.equal((await endpoint())?.why, why);

  topics.calls.length = 0;
  writes.length = 0;
  await run();
  assert.deepEqual([requests.length, topics.calls, writes], [attempts, ['partitions orders'], []]);
  assert.deepEqual(await plan(), []);

  await clock.advance(30_000);
  await run();
  assert.equal(requests.length, attempts + 1, 'one probe');
  assert.equal((await endpoint())?.probeAtMs, 90_000, 'left alone for twice as long');
  await clock.advance(60_000);
  await run();
  assert.equal((await endpoint())?.probeAtMs, 190_000, 'but no longer than the longest');

  health.failing = false;
  await clock.advance(100_000);
  await run();
  assert.deepEqual({ ...(await endpoint()), sinceMs: 0 }, activeEndpoint('audit', 0));
  await run();
  assert.equal(new Set(delivered).size, 60);
});

test('a broken endpoint stays so when the instance is replaced, and of two instances one probes', async () => {
  const { topics, run, runElsewhere, restart, requests, clock } = failingWorld();
  topics.add('orders', 0, [...Array(30).keys()]);
  topics.add('orders', 1, [...Array(30).keys()]);
  await run();
  const attempts = requests.length;
  restart();
  await run();
  assert.equal(requests.length, attempts);
  await clock.advance(30_000);
  await Promise.all([run(), runElsewhere(), runElsewhere()]);
  assert.equal(requests.length, attempts + 1);
});

test('a record that is refused says nothing against the endpoint', async () => {
  const { topics, run, endpoint } = failingWorld({
    answer: () => ({ kind: 'retry', atMs: 60_000, error: 'answered 400', endpoint: 'refusing' }),
  });
  topics.add('orders', 0, [...Array(30).keys()]);
  await run();
  assert.equal(await endpoint(), undefined);
});

test('a receiver that is gone is disabled; nothing is lost, and a resume goes on', async () => {
  let gone = true;
  const { topics, run, requests, endpoint, checkpoints, clock, delivered, position } = createDrainWorld({
    subscription: { maxInFlight: 1 },
    answer: ([record]) =>
      gone && record?.offset === 1n ? { kind: 'disable', error: 'answered 410' } : undefined,
  });
  topics.add('orders', 0, [0, 1, 2, 3]);
  await run();
  assert.deepEqual(requests, ['0', '1']);
  assert.equal((await endpoint())?.state, 'disabled');
  assert.equal((await endpoint())?.why, 'answered 410');
  assert.equal((await position())?.nextOffset, 1n);
  await run();
  assert.equal(requests.length, 2);

  gone = false;
  const stored = await checkpoints.readEndpoint('audit');
  await checkpoints.replaceEndpoint(activeEndpoint('audit', clock.now()), stored?.version ?? '');
  await run();
  assert.deepEqual(delivered, ['0@0', '0@1', '0@2', '0@3']);
});

/** A walk of attempts of a second each, during one of which the endpoint is paused. */
function pausedWorld(during: bigint, options: WorldOptions = {}) {
  const world = createDrainWorld({
    ...options,
    subscription: { ordering: 'partition' },
    answer: async ([record]) => {
      if (record?.offset === during) {
        const paused = stopEndpoint(activeEndpoint('audit', 0), 'paused', { why: 'asked to', nowMs: 0 });
        await world.checkpoints.createEndpoint(paused);
      }
      await world.clock.advance(1_000);
      return undefined;
    },
  });
  world.topics.add('orders', 0, [...Array(60).keys()]);
  return world;
}

test('a pause takes hold of a walk that is under way, within five seconds of the last look', async () => {
  const world = pausedWorld(2n);
  await world.run();
  assert.equal(world.delivered.length, 5);
  assert.equal((await world.position())?.lease, null);
  assert.equal((await world.position())?.nextOffset, BigInt(world.delivered.length));
});

test('an answer about the endpoint that was long under way is as old as the question', async () => {
  const checkpoints = createMemoryCheckpointStore();
  const { list } = checkpoints;
  checkpoints.list = async (subscription) => {
    const standing = await list(subscription);
    await world.clock.advance(3_000);
    return standing;
  };
  const world = pausedWorld(1n, { checkpoints });
  await world.run();
  assert.equal(world.delivered.length, 2, 'attempts begin at seconds 3 and 4; at 5 it is looked at anew');
});

test('of all walks no more attempts are under way than the endpoint has connections, and none starves', async () => {
  let under = 0;
  let most = 0;
  const { topics, run, clock, delivered } = createDrainWorld({
    subscription: { limits: { connectionsMax: 3, breaker } },
    answer: async () => {
      under += 1;
      most = Math.max(most, under);
      await clock.sleep(100);
      under -= 1;
      return undefined;
    },
  });
  for (const partition of [0, 1, 2, 3]) topics.add('orders', partition, [...Array(12).keys()]);
  const running = run();
  await clock.advance(800);
  const served = new Set(delivered.map((name) => name.split('@')[0]));
  assert.equal(served.size, 4);
  await clock.advance(2_000);
  await running;
  assert.equal(most, 3);
  assert.equal(delivered.length, 48);
});

test('attempts keep to the rate, and to the one that the receiver allows', async () => {
  const { topics, run, clock, requests, delivered } = createDrainWorld({
    subscription: { limits: { connectionsMax: 64, breaker, ratePerSecond: 2 } },
  });
  topics.add('orders', 0, [...Array(20).keys()]);
  const running = run();
  await clock.advance(4_000);
  assert.ok(requests.length >= 8 && requests.length <= 10, `${requests.length} in four seconds`);
  await clock.advance(10_000);
  await running;
  assert.equal(delivered.length, 20);
  assert.equal(clock.pendingSleeps(), 0);
});

test('attempts that waited for a slow renewal of the lease keep to the rate', async () => {
  const store = createMemoryCheckpointStore();
  const written = Promise.withResolvers<void>();
  let isSlow = false;
  const { topics, run, clock, requests, delivered } = createDrainWorld({
    checkpoints: {
      ...store,
      async replace(...write) {
        if (isSlow) await written.promise;
        return store.replace(...write);
      },
    },
    subscription: {
      ordering: 'none',
      maxInFlight: 16,
      limits: { connectionsMax: 64, breaker, ratePerSecond: 4 },
    },
    limits: { pageRecords: 100 },
  });
  topics.add('orders', 0, [...Array(60).keys()]);
  const running = run();
  await clock.advance(5_000);
  isSlow = true;
  await clock.advance(9_500);
  const before = requests.length;
  isSlow = false;
  written.resolve();
  await clock.advance(1);
  const atOnce = requests.length - before;
  assert.ok(atOnce <= 4, `${atOnce} attempts at once`);
  await clock.advance(20_000);
  await running;
  assert.equal(delivered.length, 60);
});

test('until the receiver has said how many it allows, one attempt finds it out', async () => {
  const asked = Promise.withResolvers<undefined>();
  let answered = false;
  const { topics, run, clock, requests, delivered } = createDrainWorld({
    allowedPerSecond: () => (answered ? 1 : 'unknown'),
    answer: () => asked.promise,
  });
  topics.add('orders', 0, [...Array(4).keys()]);
  topics.add('orders', 1, [...Array(4).keys()]);
  const running = run();
  await clock.advance(1_000);
  assert.equal(requests.length, 1);
  answered = true;
  asked.resolve(undefined);
  await clock.advance(3_000);
  assert.ok(requests.length >= 4 && requests.length <= 6, `${requests.length} within three seconds`);
  await clock.advance(10_000);
  await running;
  assert.equal(delivered.length, 8);
});

test('a Retry-After leaves the whole endpoint alone: a short one is waited for, a long one is shared', async () => {
  let askedMs = 2_000;
  let asked = false;
  const { topics, run, clock, requests, delivered, endpoint } = createDrainWorld({
    subscription: { maxInFlight: 1, limits },
    answer: () => {
      if (asked) return undefined;
      asked = true;
      const atMs = clock.now() + askedMs;
      return { kind: 'retry', atMs, error: 'answered 429', endpoint: 'failing', waitUntilMs: atMs };
    },
  });
  topics.add('orders', 0, [0, 1, 2]);
  const running = run();
  await clock.advance(1_999);
  assert.equal(requests.length, 1);
  await clock.advance(10);
  await running;
  assert.equal(delivered.length, 3);
  assert.equal(await endpoint(), undefined);

  askedMs = 3_600_000;
  asked = false;
  topics.add('orders', 0, [0, 1, 2, 3, 4]);
  await run();
  assert.equal((await endpoint())?.state, 'broken');
  assert.equal((await endpoint())?.probeAtMs, clock.now() + askedMs);
});

test('a Retry-After at the last attempt of a record holds for the records behind it', async () => {
  const { topics, run, clock, requests } = createDrainWorld({
    subscription: { maxInFlight: 1, limits },
    answer: ([record]) => {
      if (record?.offset !== 0n) return undefined;
      const reason = { code: 'delivery.exhausted', message: 'failed 1 times' } as const;
      return { kind: 'dead-letter', reason, endpoint: 'failing', waitUntilMs: clock.now() + 2_000 };
    },
  });
  topics.add('orders', 0, [0, 1]);
  const running = run();
  await clock.advance(1_999);
  assert.deepEqual(requests, ['0']);
  await clock.advance(10);
  await running;
  assert.deepEqual(requests, ['0', '1']);
});

test('a prober that finds nothing to send leaves the probe to others', async () => {
  const { topics, run, clock, requests, health, endpoint } = failingWorld();
  for (const partition of [0, 1, 2]) topics.add('orders', partition, [...Array(10).keys()]);
  await run();
  const attempts = requests.length;
  const { read } = topics.log;
  topics.log.read = (place) =>
    place.partition === 2 ? Promise.reject(new Error('unreadable')) : read(place);
  health.failing = false;
  await clock.advance(30_000);
  await run().catch(() => undefined);
  assert.equal((await endpoint())?.state, 'active');
  assert.ok(requests.length > attempts);
});

test('a probe that storage took long to note is not sent: somebody else may have it before it would end', async () => {
  const checkpoints = createMemoryCheckpointStore();
  const { replaceEndpoint } = checkpoints;
  let tookMs = 0;
  checkpoints.replaceEndpoint = async (...given) => {
    const written = await replaceEndpoint(...given);
    await world.clock.advance(tookMs);
    return written;
  };
  const world = failingWorld({ checkpoints });
  world.topics.add('orders', 0, [...Array(10).keys()]);
  await world.run();
  const attempts = world.requests.length;
  await world.clock.advance(30_000);
  tookMs = 5_001;
  await world.run();
  assert.equal(world.requests.length, attempts);
  tookMs = 0;
  await world.clock.advance(30_000);
  await world.run();
  assert.equal(world.requests.length, attempts + 1);
});

test('a probe whose lease took long to renew is not sent either', async () => {
  const checkpoints = createMemoryCheckpointStore();
  const { replaceEndpoint, replace } = checkpoints;
  let isSlow = false;
  let renewalMs = 0;
  checkpoints.replaceEndpoint = async (...given) => {
    const written = await replaceEndpoint(...given);
    if (isSlow) {
      // The lease is too short for an attempt after this.
      await world.clock.advance(attemptMs + 500);
      renewalMs = 8_000;
    }
    return written;
  };
  checkpoints.replace = async (...given) => {
    const written = await replace(...given);
    await world.clock.advance(renewalMs);
    return written;
  };
  const world = failingWorld({ checkpoints, limits: { leaseMs: 2 * attemptMs } });
  world.topics.add('orders', 0, [...Array(10).keys()]);
  await world.run();
  const attempts = world.requests.length;
  await world.clock.advance(30_000);
  isSlow = true;
  await world.run();
  assert.equal(world.requests.length, attempts);
  isSlow = false;
  renewalMs = 0;
  await world.clock.advance(30_000);
  await world.run();
  assert.equal(world.requests.length, attempts + 1);
});

test('the longest attempt fits between a probe and the next', async () => {
  const { topics, run, clock, endpoint } = failingWorld({
    answer: async () => {
      await clock.advance(attemptMs);
      return { kind: 'retry', atMs: 0, error: 'timeout', endpoint: 'failing' };
    },
    subscription: { maxInFlight: 1 },
  });
  topics.add('orders', 0, [...Array(10).keys()]);
  await run();
  assert.equal((await endpoint())?.openings, 1);
});
