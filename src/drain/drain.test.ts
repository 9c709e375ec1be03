import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  attemptMs,
  createDrainWorld,
  worldLimits as limits,
  type WorldOptions,
} from '../../test/support/drain-world.ts';
import { createMemoryCheckpointStore } from '../storage/memory/checkpoint-store.ts';
import type { CheckpointStore } from './ports.ts';

/** A world in which a partition is walked in strict order. */
function strictWorld({ subscription, ...options }: WorldOptions = {}) {
  return createDrainWorld({ ...options, subscription: { ordering: 'partition', ...subscription } });
}

test('every record of every partition is delivered once, in the order of its partition', async () => {
  const { topics, delivered, run, position } = strictWorld();
  topics.add('orders', 0, [0, 1, 2, 3, 4, 5, 6]);
  topics.add('orders', 1, [0, 1]);
  assert.deepEqual(await run(), { walked: 2, delivered: 9 });
  assert.deepEqual(
    delivered.filter((name) => name.startsWith('0@')),
    ['0@0', '0@1', '0@2', '0@3', '0@4', '0@5', '0@6'],
  );
  assert.deepEqual(await run(), { walked: 0, delivered: 0 });
  assert.equal((await position())?.nextOffset, 7n);
  assert.equal((await position())?.lease, null);
});

test('a run without news asks once for each topic and each subscription, reads nothing and writes nothing', async () => {
  const memory = createMemoryCheckpointStore();
  let queries = 0;
  const checkpoints: CheckpointStore = {
    ...memory,
    list(subscription) {
      queries += 1;
      return memory.list(subscription);
    },
    read: () => Promise.reject(new Error('not expected')),
    readEndpoint: () => Promise.reject(new Error('not expected')),
  };
  const { topics, run, writes } = strictWorld({ checkpoints });
  topics.add('orders', 0, [0, 1]);
  await run();
  topics.calls.length = 0;
  writes.length = 0;
  queries = 0;
  await run();
  assert.deepEqual(topics.calls, ['partitions orders']);
  assert.equal(queries, 1);
  assert.deepEqual(writes, []);
});

test('latest begins behind what is there; a partition that joins later begins at its first record', async () => {
  const { topics, delivered, run } = strictWorld({ subscription: { start: 'latest' } });
  topics.add('orders', 0, [0, 1, 2]);
  await run();
  topics.add('orders', 0, [0, 1, 2, 3]);
  topics.add('orders', 1, [0, 1]);
  await run();
  assert.deepEqual(delivered.sort(), ['0@3', '1@0', '1@1']);
});

test('a record that fails holds its partition, not the others, and is tried again when due', async () => {
  let failing = true;
  const seen: number[] = [];
  const { topics, delivered, run, clock, position } = strictWorld({
    answer: async ([record], failures) => {
      if (record?.partition !== 0 || record?.offset !== 1n) return { kind: 'done' };
      seen.push(failures);
      return failing
        ? { kind: 'retry', atMs: clock.now() + 5_000, error: 'answered 503', endpoint: 'failing' }
        : { kind: 'done' };
    },
  });
  topics.add('orders', 0, [0, 1, 2]);
  topics.add('orders', 1, [0, 1]);
  await run();
  assert.deepEqual(delivered.sort(), ['0@0', '1@0', '1@1']);
  assert.deepEqual((await position())?.retry, {
    failures: 1,
    atMs: 5_000,
    error: 'answered 503',
    attempts: [{ atMs: 0, latencyMs: 0, status: null, answer: 'answered 503' }],
  });

  await run();
  assert.deepEqual(seen, [0], 'not due yet');
  await clock.advance(5_000);
  await run();
  assert.deepEqual(seen, [0, 1]);
  failing = false;
  await clock.advance(5_000);
  await run();
  assert.deepEqual(seen, [0, 1, 2]);
  assert.deepEqual(delivered.slice(-2), ['0@1', '0@2']);
  assert.equal((await position())?.retry, null);
});

test('of two runs at once one walks each partition', async () => {
  const { topics, delivered, run } = strictWorld();
  for (let partition = 0; partition < 6; partition += 1) topics.add('orders', partition, [0, 1, 2, 3]);
  await Promise.all([run(), run(), run()]);
  assert.equal(delivered.length, 24);
  assert.equal(new Set(delivered).size, 24);
});

test('a run whose lease was taken stops at once and leaves the new holder its place', async () => {
  const { topics, delivered, run, runElsewhere, checkpoints, position, clock } = strictWorld({
    answer: async ([record]) => {
      if (record?.offset !== 1n || delivered.length !== 1) return undefined;
      // This process stands still until after its lease: to the others it looks as if it were gone.
      const stored = await checkpoints.read({ subscription: 'audit', topic: 'orders', partition: 0 });
      assert.ok(stored);
      await checkpoints.replace(
        { ...stored.checkpoint, lease: { owner: 'run-1', expiresAtMs: 0 } },
        stored.version,
      );
      await runElsewhere();
      return undefined;
    },
  });
  topics.add('orders', 0, [0, 1, 2, 3, 4, 5]);
  await run();
  const count = (name: string) => delivered.filter((entry) => entry === name).length;
  assert.ok(count('0@0') <= 2 && count('0@1') <= 2, 'only what was in the window comes again');
  assert.equal((await position())?.nextOffset, 6n);
  assert.equal((await position())?.epoch, 2);
  await clock.advance(60_000);
});

test('a lease is renewed during a long walk, so that no other run gets in', async () => {
  const { topics, delivered, run, runElsewhere, clock, position } = strictWorld({
    limits: { pageRecords: 20 },
    answer: async () => {
      await clock.advance(1_400);
      if (clock.now() === 10 * 1_400) assert.deepEqual(await runElsewhere(), { walked: 0, delivered: 0 });
      return undefined;
    },
  });
  topics.add('orders', 0, [...Array(20).keys()]);
  await run();
  assert.equal(delivered.length, 20);
  assert.ok(clock.now() > 2 * limits.leaseMs);
  assert.ok(((await position())?.epoch ?? 0) <= 2, 'one claim a turn');
});

test('no attempt begins that the lease may not outlast, however long the store takes to renew it', async () => {
  const memory = createMemoryCheckpointStore();
  let writes = 0;
  const begunAtMs: number[] = [];
  const world = strictWorld({
    checkpoints: {
      ...memory,
      async replace(checkpoint, version) {
        writes += 1;
        // The claim is quick, the first save is not.
        if (writes === 2) await world.clock.sleep(13_000);
        return memory.replace(checkpoint, version);
      },
    },
    limits: { pageRecords: 100 },
    answer: async () => {
      begunAtMs.push(world.clock.now());
      await world.clock.sleep(1_000);
      return undefined;
    },
  });
  world.topics.add('orders', 0, [...Array(20).keys()]);
  const running = world.run();
  await world.clock.advance(60_000);
  await running;
  assert.equal(world.delivered.length, 20);
  assert.equal(new Set(world.delivered).size, 20);
  const renewedAtMs = 18_000;
  const between = begunAtMs.filter((atMs) => atMs > limits.leaseMs - attemptMs && atMs < renewedAtMs);
  assert.deepEqual(between, []);
});

test('a lease is longer than an attempt, whatever was configured', async () => {
  const { topics, delivered, run } = strictWorld({ limits: { leaseMs: 1 } });
  topics.add('orders', 0, [0, 1, 2]);
  await run();
  assert.equal(delivered.length, 3);
});

test('a run stops in time for its last attempt, and the next one goes on from there', async () => {
  const { topics, delivered, run, clock } = strictWorld({
    limits: { budgetMs: 5_000 },
    answer: async () => {
      await clock.advance(1_000);
      return undefined;
    },
  });
  topics.add('orders', 0, [0, 1, 2, 3, 4, 5]);
  const startMs = clock.now();
  await run();
  assert.ok(clock.now() - startMs <= 5_000);
  assert.deepEqual(delivered, ['0@0', '0@1', '0@2', '0@3']);
  await run();
  assert.deepEqual(delivered, ['0@0', '0@1', '0@2', '0@3', '0@4', '0@5']);
});

test('gaps between records are crossed, and a tail without records is waited at, without a busy loop', async () => {
  const { topics, delivered, run, position } = strictWorld();
  topics.add('orders', 0, [0, 1, 50, 51], 60);
  await run();
  assert.deepEqual(delivered, ['0@0', '0@1', '0@50', '0@51']);
  assert.equal((await position())?.nextOffset, 52n);
  assert.deepEqual((await position())?.gaps, [], 'nothing was passed over');

  topics.calls.length = 0;
  await run();
  assert.deepEqual(topics.calls, ['partitions orders'], 'no further read until there is a reason');
  topics.add('orders', 0, [0, 1, 50, 51, 60], 61);
  await run();
  assert.equal(delivered.at(-1), '0@60', 'a new end is a reason');
});

test('a proxy that answers empty pages for a while loses nothing', async () => {
  const { topics, delivered, run, clock, position } = strictWorld();
  topics.add('orders', 0, [...Array(10).keys()]);
  const { read } = topics.log;
  let emptyPages = 40;
  topics.log.read = async (place) => {
    emptyPages -= 1;
    return emptyPages >= 0 ? { records: [], nextOffset: place.offset } : read(place);
  };
  for (let runs = 0; runs < 15; runs += 1) {
    await run();
    await clock.advance(60_000);
  }
  assert.deepEqual(
    delivered,
    [...Array(10).keys()].map((offset) => `0@${offset}`),
  );
  assert.deepEqual((await position())?.gaps, []);
});

test('offsets that stay empty while later ones are read are passed, and kept as a gap', async () => {
  const { topics, delivered, run, position } = strictWorld();
  topics.add('orders', 0, [0, 40]);
  const { read } = topics.log;
  // A proxy that looks at the window asked for only, and says nothing of where to go on.
  topics.log.read = async (place) => {
    const page = await read(place);
    const records = page.records.filter(({ offset }) => offset < place.offset + BigInt(place.count));
    return { records, nextOffset: (records.at(-1)?.offset ?? place.offset - 1n) + 1n };
  };
  await run();
  assert.deepEqual(delivered, ['0@0', '0@40']);
  const gaps = (await position())?.gaps ?? [];
  assert.equal(gaps[0]?.fromOffset, 1n);
  assert.equal(gaps.at(-1)?.toOffset, 40n);
  assert.ok(gaps.every(({ cause }) => cause === 'empty'));
});

test('a NextOffset beyond the end of the partition is not believed', async () => {
  const { topics, delivered, run } = strictWorld();
  topics.add('orders', 0, [0]);
  const { read } = topics.log;
  topics.log.read = async (place) => ({ ...(await read(place)), nextOffset: 5_000n });
  await run();
  topics.log.read = read;
  topics.add('orders', 0, [0, 1, 2]);
  await run();
  assert.deepEqual(delivered, ['0@0', '0@1', '0@2']);
});

test('a NextOffset beyond the end passes over no record that a later page holds', async () => {
  const { topics, delivered, run } = strictWorld({ limits: { pageRecords: 2 } });
  topics.add('orders', 0, [0, 1, 2, 3, 4]);
  const { read } = topics.log;
  topics.log.read = async (place) => ({ ...(await read(place)), nextOffset: 5_000n });
  await run();
  assert.deepEqual(delivered, ['0@0', '0@1', '0@2', '0@3', '0@4']);
});

test('records that are written while an empty page is on its way are not taken for empty offsets', async () => {
  const { topics, delivered, run } = strictWorld();
  topics.add('orders', 0, [0], 3);
  await run();
  topics.add('orders', 0, [0], 4);
  const { read } = topics.log;
  topics.log.read = async (place) => {
    const page = { ...(await read(place)), nextOffset: 5_000n };
    topics.add('orders', 0, [0, 5, 6]);
    return page;
  };
  await run();
  topics.log.read = read;
  await run();
  assert.deepEqual(delivered, ['0@0', '0@5', '0@6']);
});

test('latest loses no record of a topic that does not exist yet', async () => {
  const { topics, delivered, run } = strictWorld({ subscription: { start: 'latest' } });
  await run();
  topics.add('orders', 0, [0, 1]);
  topics.add('orders', 1, [0]);
  await run();
  assert.deepEqual(delivered.sort(), ['0@0', '0@1', '1@0']);
});

test('a first run that breaks off does not flood a latest subscription with history', async () => {
  const memory = createMemoryCheckpointStore();
  let creations = 0;
  const checkpoints: CheckpointStore = {
    ...memory,
    create(checkpoint) {
      creations += 1;
      return creations === 2 ? Promise.reject(new Error('storage is away')) : memory.create(checkpoint);
    },
  };
  const { topics, delivered, run } = strictWorld({ checkpoints, subscription: { start: 'latest' } });
  for (const partition of [0, 1, 2]) topics.add('orders', partition, [0, 1, 2]);
  await assert.rejects(run(), /storage is away/);
  await run();
  assert.deepEqual(delivered, []);
});

test('no partition starves behind busy ones', async () => {
  const { topics, delivered, run, clock } = strictWorld({
    limits: { partitionsMax: 1 },
    answer: async () => {
      await clock.advance(1_000);
      return { kind: 'done' };
    },
  });
  for (const partition of [0, 1, 2]) topics.add('orders', partition, [...Array(100).keys()]);
  await run();
  const served = new Set(delivered.map((name) => name.split('@')[0]));
  assert.deepEqual([...served].sort(), ['0', '1', '2']);
});

test('where time ends before all had their turn, the next run begins with another partition', async () => {
  const world = createDrainWorld({
    subscription: { maxInFlight: 1 },
    limits: { partitionsMax: 1, budgetMs: 16_000 },
    answer: async () => {
      await world.clock.advance(1_000);
      return undefined;
    },
  });
  for (const partition of [0, 1, 2]) world.topics.add('orders', partition, [...Array(100).keys()]);
  for (let runs = 0; runs < 3; runs += 1) await world.run();
  for (const partition of [0, 1, 2]) {
    const taken = world.delivered.filter((name) => name.startsWith(`${partition}@`)).length;
    assert.ok(taken > 0, `partition ${partition} had its turn`);
  }
});

test('an attempt that breaks holds its record back like one that failed', async () => {
  const { topics, delivered, run, position } = strictWorld({
    answer: async ([record]) => {
      if (record?.offset === 1n) throw new RangeError('Maximum call stack size exceeded');
      return { kind: 'done' };
    },
  });
  topics.add('orders', 0, [0, 1, 2]);
  await run();
  assert.deepEqual(delivered, ['0@0']);
  assert.match((await position())?.retry?.error ?? '', /the attempt broke: RangeError/);
});

test('what retention took before it was delivered is recorded as a gap', async () => {
  const { topics, delivered, run, clock, position } = strictWorld();
  topics.add('orders', 0, [0, 1]);
  await run();
  topics.add('orders', 0, [0, 1, 2, 3, 4, 5]);
  topics.retainFrom('orders', 0, 4n);
  await clock.advance(7);
  await run();
  assert.deepEqual(delivered.slice(2), ['0@4', '0@5']);
  assert.deepEqual((await position())?.gaps, [{ fromOffset: 2n, toOffset: 4n, atMs: 7, cause: 'retention' }]);
});

test('retention that moves on during a walk is a gap too', async () => {
  const { topics, delivered, run, position } = strictWorld();
  topics.add('orders', 0, [0, 1, 2, 3, 4, 5, 6, 7]);
  const { read } = topics.log;
  topics.log.read = (place) => {
    if (place.offset === 3n) topics.retainFrom('orders', 0, 6n);
    return read(place);
  };
  await run();
  assert.deepEqual(delivered, ['0@0', '0@1', '0@2', '0@6', '0@7']);
  assert.deepEqual((await position())?.gaps, [{ fromOffset: 3n, toOffset: 6n, atMs: 0, cause: 'retention' }]);
});

test('a partition that cannot be read fails the run loudly, and the others are drained', async () => {
  const { topics, delivered, run, position } = strictWorld();
  topics.add('orders', 0, [0, 1]);
  topics.add('orders', 1, [0, 1]);
  const { read } = topics.log;
  topics.log.read = (place) =>
    place.partition === 0 ? Promise.reject(new Error('the proxy is away')) : read(place);
  await assert.rejects(run(), /1 part\(s\) of the drain failed: .*the proxy is away/);
  assert.deepEqual(delivered, ['1@0', '1@1']);
  assert.equal((await position(0))?.lease, null, 'the lease is given up for the next run');
  topics.log.read = read;
  await run();
  assert.equal(delivered.length, 4);
});

test('a topic that does not exist yet is no failure', async () => {
  const { run, topics, delivered } = strictWorld();
  assert.deepEqual(await run(), { walked: 0, delivered: 0 });
  topics.add('orders', 0, [0]);
  await run();
  assert.deepEqual(delivered, ['0@0']);
});

test('a walk stores its progress at least every few seconds', async () => {
  const stored: (bigint | undefined)[] = [];
  const { topics, run, position, clock } = strictWorld({
    answer: async () => {
      await clock.advance(1_000);
      stored.push((await position())?.nextOffset);
      return undefined;
    },
  });
  topics.add('orders', 0, [0, 1, 2, 3, 4, 5, 6]);
  await run();
  assert.ok((stored.at(-1) ?? 0n) >= 4n, String(stored));
});

test('a page that begins before the offset asked for delivers nothing twice', async () => {
  const { topics, delivered, run } = strictWorld();
  topics.add('orders', 0, [0, 1, 2, 3, 4, 5]);
  const { read } = topics.log;
  topics.log.read = (place) => read({ ...place, offset: place.offset > 0n ? place.offset - 1n : 0n });
  await run();
  assert.deepEqual(delivered, ['0@0', '0@1', '0@2', '0@3', '0@4', '0@5']);
});

test('a proxy that silently reads on after what retention took still leaves a gap', async () => {
  const { topics, delivered, run, position } = strictWorld();
  topics.add('orders', 0, [0, 1, 2, 3, 4, 5, 6, 7]);
  const { read } = topics.log;
  topics.log.read = async (place) => {
    if (place.offset === 3n) topics.retainFrom('orders', 0, 6n);
    const { earliestOffset = 0n } = (await topics.log.partition(place.topic, place.partition)) ?? {};
    return read({ ...place, offset: place.offset > earliestOffset ? place.offset : earliestOffset });
  };
  await run();
  assert.deepEqual(delivered, ['0@0', '0@1', '0@2', '0@6', '0@7']);
  assert.deepEqual((await position())?.gaps, [{ fromOffset: 3n, toOffset: 6n, atMs: 0, cause: 'retention' }]);
});

test('failures are counted for each record on its own', async () => {
  const seen: string[] = [];
  const { topics, run, clock } = strictWorld({
    answer: async ([record], failures) => {
      seen.push(`${record?.offset} after ${failures}`);
      const fails = failures < 2;
      return fails
        ? { kind: 'retry', atMs: clock.now() + 1, error: 'answered 500', endpoint: 'failing' }
        : { kind: 'done' };
    },
  });
  topics.add('orders', 0, [0, 1]);
  for (let runs = 0; runs < 5; runs += 1) {
    await run();
    await clock.advance(1);
  }
  assert.deepEqual(seen, ['0 after 0', '0 after 1', '0 after 2', '1 after 0', '1 after 1', '1 after 2']);
});
