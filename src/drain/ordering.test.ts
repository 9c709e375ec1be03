import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, createDrainWorld } from '../../test/support/drain-world.ts';
import type { Verdict } from '../delivery/verdict.ts';
import { createMemoryCheckpointStore } from '../storage/memory/checkpoint-store.ts';
import { createMemoryDeadLetters } from '../storage/memory/dead-letters.ts';
import { createMemoryParkedStore } from '../storage/memory/parked.ts';

const retryAt = (atMs: number): Verdict => ({
  kind: 'retry',
  atMs,
  error: 'answered 500',
  endpoint: 'refusing',
});
const refused: Verdict = {
  kind: 'dead-letter',
  reason: { code: 'delivery.refused', message: 'answered 400' },
  endpoint: 'refusing',
};

/** Answers a deliberate choice for some offsets, and done for all others. */
const failFor =
  (offsets: readonly number[], verdict: () => Verdict): Answer =>
  ([record]) =>
    offsets.includes(Number(record?.offset)) ? verdict() : undefined;

test('records of different keys go out at once, those of one key one after another', async () => {
  let under = 0;
  let most = 0;
  const busy = new Set<string | null>();
  const { topics, run, delivered, clock } = createDrainWorld({
    answer: async ([record]) => {
      assert.ok(!busy.has(record?.key ?? null), 'one of a key at a time');
      busy.add(record?.key ?? null);
      under += 1;
      most = Math.max(most, under);
      await clock.sleep(10);
      under -= 1;
      busy.delete(record?.key ?? null);
      return undefined;
    },
  });
  topics.add('orders', 0, [
    [0, 'a'],
    [1, 'a'],
    [2, 'b'],
    [3, 'a'],
    [4, 'c'],
    [5, 'b'],
    [6, 'd'],
    [7, 'e'],
  ]);
  const running = run();
  await clock.advance(1_000);
  await running;
  assert.equal(most, 4, 'as many as may be in flight');
  assert.deepEqual(
    delivered.filter((name) => ['0@0', '0@1', '0@3'].includes(name)),
    ['0@0', '0@1', '0@3'],
  );
  assert.equal(delivered.length, 8);
});

test('a record that fails parks its key in order, and the others go on', async () => {
  let failing = true;
  const failures: number[] = [];
  const { topics, run, delivered, clock, position } = createDrainWorld({
    answer: ([record], before) => {
      if (record?.offset !== 1n) return undefined;
      failures.push(before);
      return failing ? retryAt(clock.now() + 5_000) : undefined;
    },
  });
  topics.add('orders', 0, [
    [0, 'a'],
    [1, 'b'],
    [2, 'b'],
    [3, 'a'],
    [4, 'b'],
    [5, 'c'],
  ]);
  await run();
  assert.deepEqual(delivered, ['0@0', '0@3', '0@5']);
  assert.equal((await position())?.nextOffset, 6n, 'nothing holds the partition');
  assert.deepEqual((await position())?.parked, { count: 3, nextAttemptMs: 5_000 });

  topics.add('orders', 0, [
    [0, 'a'],
    [1, 'b'],
    [2, 'b'],
    [3, 'a'],
    [4, 'b'],
    [5, 'c'],
    [6, 'b'],
  ]);
  await run();
  assert.equal((await position())?.parked.count, 4, 'a later record of the key is parked behind');
  assert.deepEqual(failures, [0], 'nothing is tried before its time');

  failing = false;
  await clock.advance(5_000);
  await run();
  assert.deepEqual(failures, [0, 1]);
  assert.deepEqual(delivered.slice(3), ['0@1', '0@2', '0@4', '0@6']);
  assert.deepEqual((await position())?.parked, { count: 0, nextAttemptMs: 0 });
  assert.deepEqual(await run(), { walked: 0, delivered: 0 });
});

test('records without a key, and those of an unordered subscription, hold up nobody', async () => {
  for (const [ordering, key] of [
    ['key', null],
    ['none', 'same'],
  ] as const) {
    const { topics, run, delivered, position } = createDrainWorld({
      subscription: { ordering },
      answer: failFor([0], () => retryAt(60_000)),
    });
    topics.add(
      'orders',
      0,
      key === null
        ? [0, 1, 2]
        : [
            [0, key],
            [1, key],
            [2, key],
          ],
    );
    await run();
    assert.deepEqual(delivered, ['0@1', '0@2'], ordering);
    assert.equal((await position())?.parked.count, 1);
  }
});

test('at the bound of parked records the partition waits, and goes on when there is room', async () => {
  let failing = true;
  const { topics, run, requests, delivered, clock, position, writes } = createDrainWorld({
    subscription: { parkedMax: 2 },
    answer: () => (failing ? retryAt(clock.now() + 5_000) : undefined),
  });
  topics.add('orders', 0, [...Array(10).keys()]);
  await run();
  assert.equal(requests.length, 2);
  assert.equal((await position())?.parked.count, 2);
  assert.equal((await position())?.nextOffset, 2n);
  writes.length = 0;
  await run();
  assert.deepEqual(writes, [], 'until the first is due there is nothing to do');

  failing = false;
  await clock.advance(5_000);
  await run();
  assert.equal(delivered.length, 10);
});

test('what is parked survives a crash, and is not taken from the log again', async () => {
  const checkpoints = createMemoryCheckpointStore();
  const parked = createMemoryParkedStore();
  const world = createDrainWorld({
    checkpoints: { ...checkpoints, replace: (checkpoint, version) => replace(checkpoint, version) },
    parked,
    answer: failFor([1], () => retryAt(30_000)),
  });
  let replace: typeof checkpoints.replace = checkpoints.replace;
  // The process dies with its last write: the record is parked, the checkpoint does not know.
  replace = (checkpoint, version) =>
    checkpoint.lease === null
      ? Promise.reject(new Error('killed'))
      : checkpoints.replace(checkpoint, version);
  world.topics.add('orders', 0, [
    [0, 'a'],
    [1, 'b'],
    [2, 'b'],
    [3, 'c'],
  ]);
  await assert.rejects(world.run(), /killed/);
  assert.equal((await world.position())?.nextOffset, 0n);
  const first = world.requests.filter((offset) => offset === '1').length;

  replace = checkpoints.replace;
  await world.clock.advance(10_000);
  world.restart();
  await world.run();
  assert.equal(
    world.requests.filter((offset) => offset === '1').length,
    first,
    'its next attempt is not due',
  );
  assert.ok(!world.delivered.includes('0@2'), 'what is behind it waits too');
  assert.deepEqual((await world.position())?.parked, { count: 2, nextAttemptMs: 30_000 });
  assert.equal((await world.position())?.nextOffset, 4n);
});

test('a parked record whose store gave no answer is looked for by the next walk', async () => {
  const parked = createMemoryParkedStore();
  let losing = true;
  const world = createDrainWorld({
    parked: {
      async open(place, epoch) {
        const opened = await parked.open(place, epoch);
        return {
          ...opened,
          async write(changes) {
            const written = await opened.write(changes);
            if (losing) throw new Error('no answer');
            return written;
          },
        };
      },
    },
    answer: failFor([0], () => retryAt(30_000)),
  });
  world.topics.add('orders', 0, [
    [0, 'a'],
    [1, 'a'],
  ]);
  await assert.rejects(world.run(), /no answer/);
  assert.equal((await world.position())?.lease, null);
  losing = false;
  await world.run();
  assert.deepEqual(world.requests, ['0'], 'it is parked, so it is not sent again');
  assert.deepEqual((await world.position())?.parked, { count: 2, nextAttemptMs: 30_000 });
});

test('a crash delivers again only what was not finished', async () => {
  const world = createDrainWorld({
    subscription: { ordering: 'none', maxInFlight: 8 },
    limits: { pageRecords: 100, windowRecords: 16 },
    answer: async ([record]) => {
      // One record hangs, and the process dies with it.
      if (record?.offset === 5n && world.delivered.length < 50) await new Promise(() => undefined);
      return undefined;
    },
  });
  world.topics.add('orders', 0, [...Array(100).keys()]);
  void world.run();
  await world.clock.advance(9_000);
  assert.equal(world.delivered.length, 99);
  const position = await world.position();
  assert.equal(position?.nextOffset, 5n, 'the lowest that is not finished');

  await world.clock.advance(20_000);
  await world.runElsewhere();
  const repeated = world.delivered.length - new Set(world.delivered).size;
  assert.equal(new Set(world.delivered).size, 100);
  assert.ok(repeated < 16, `${repeated} came twice`);
});

test('no more records than the window are under way or finished without being stored so', async () => {
  const checkpoints = createMemoryCheckpointStore();
  let hold: Promise<void> | undefined;
  let letGo: () => void = () => undefined;
  const world = createDrainWorld({
    checkpoints: {
      ...checkpoints,
      async replace(checkpoint, version) {
        await hold;
        return checkpoints.replace(checkpoint, version);
      },
    },
    subscription: { ordering: 'none' },
    limits: { pageRecords: 100, windowRecords: 10 },
    answer: () => {
      if (hold === undefined) {
        hold = new Promise((resolve) => {
          letGo = resolve;
        });
      }
      return undefined;
    },
  });
  world.topics.add('orders', 0, [...Array(40).keys()]);
  const running = world.run();
  await world.clock.advance(1);
  assert.equal(world.delivered.length, 10, 'then it waits for the store');
  hold = Promise.resolve();
  letGo();
  await running;
  assert.equal(world.delivered.length, 40);
});

test('at the bound of finished ranges a walk waits for the lowest record', async () => {
  const world = createDrainWorld({
    subscription: { maxInFlight: 4 },
    limits: { pageRecords: 10_000, windowRecords: 10_000 },
    answer: async ([record]) => {
      // Every second record is of one key, whose first record takes long.
      if (record?.offset === 0n) await world.clock.sleep(1_000);
      return undefined;
    },
  });
  world.topics.add(
    'orders',
    0,
    Array.from({ length: 2_000 }, (_, offset) => [offset, offset % 2 === 0 ? 'slow' : `k${offset}`] as const),
  );
  const running = world.run();
  await world.clock.advance(500);
  assert.ok(world.delivered.length <= 256, `${world.delivered.length}`);
  assert.ok(world.delivered.length >= 250);
  await world.clock.advance(1_000);
  await running;
  assert.equal(world.delivered.length, 2_000);
});

test('at full speed at most two writes are made for a thousand records', async () => {
  const { topics, run, writes, delivered } = createDrainWorld({
    subscription: { maxInFlight: 16 },
    limits: { pageRecords: 1_000 },
  });
  topics.add(
    'orders',
    0,
    Array.from({ length: 20_000 }, (_, offset) => [offset, `k${offset % 50}`] as const),
  );
  await run();
  assert.equal(delivered.length, 20_000);
  assert.ok(writes.length <= 40, `${writes.length} writes`);
});

test('a refused record becomes a dead letter with all that is needed to send it again', async () => {
  const { topics, run, letters, deadLetters, position, delivered } = createDrainWorld({
    answer: failFor([1], () => refused),
  });
  topics.add('orders', 0, [
    [0, 'a'],
    [1, 'a'],
    [2, 'a'],
  ]);
  await run();
  assert.deepEqual(delivered, ['0@0', '0@2'], 'what comes later goes on');
  assert.equal((await position())?.nextOffset, 3n);
  const [entry] = await letters();
  assert.equal(entry?.key, 'orders:0:0000000000000000001');
  const found = await deadLetters.get('audit', entry?.key ?? '');
  assert.deepEqual(JSON.parse(found?.letter.payload ?? ''), {
    topic: 'orders',
    partition: 0,
    offset: '1',
    key: 'a',
    value: '{}',
    timestampMs: '0',
  });
  assert.equal(found?.letter.id, 'orders_0_1');
  assert.equal(found?.letter.attempts?.length, 1);
});

test('a dead letter that cannot be written does not let the offset move', async () => {
  const deadLetters = createMemoryDeadLetters();
  let away = true;
  const { topics, run, position, letters } = createDrainWorld({
    deadLetters: {
      ...deadLetters,
      add: (letter, key) =>
        away ? Promise.reject(new Error('storage is away')) : deadLetters.add(letter, key),
    },
    answer: failFor([1], () => refused),
  });
  topics.add('orders', 0, [
    [0, 'a'],
    [1, 'b'],
    [2, 'c'],
  ]);
  await assert.rejects(run(), /storage is away/);
  assert.equal((await position())?.nextOffset, 1n);
  away = false;
  await run();
  assert.equal((await position())?.nextOffset, 3n);
  assert.equal((await letters()).length, 1);
});

test('a record that cannot be made ready becomes a dead letter, one that is filtered is passed', async () => {
  const { topics, run, delivered, letters, position } = createDrainWorld({
    prepare: (record) => {
      if (record.offset === 0n) return { kind: 'filtered' };
      if (record.offset === 1n) return { kind: 'failed', reason: { code: 'transform', message: 'no' } };
      if (record.offset === 2n) throw new RangeError('too deep');
      const prepared = { record, target: '', bytes: 1 };
      return record.offset === 3n
        ? Promise.resolve({ kind: 'ready', prepared })
        : { kind: 'ready', prepared };
    },
  });
  topics.add('orders', 0, [0, 1, 2, 3, 4]);
  await run();
  assert.deepEqual(delivered.sort(), ['0@3', '0@4']);
  assert.equal((await position())?.nextOffset, 5n);
  assert.deepEqual(
    (await letters()).map(({ reason }) => reason.code),
    ['transform', 'delivery.unpreparable'],
  );
});

test('what the filter keeps out takes no room behind a parked record', async () => {
  const { topics, run, position } = createDrainWorld({
    subscription: { parkedMax: 3 },
    prepare: (record) =>
      record.offset === 0n || record.offset === 9n
        ? { kind: 'ready', prepared: { record, target: '', bytes: 1 } }
        : { kind: 'filtered' },
    answer: () => retryAt(60_000),
  });
  topics.add(
    'orders',
    0,
    Array.from({ length: 10 }, (_, offset) => [offset, 'a'] as const),
  );
  await run();
  assert.equal((await position())?.nextOffset, 10n);
  assert.equal((await position())?.parked.count, 2);
});

test('the first attempt and the last ones are remembered, twenty in all', async () => {
  const { topics, run, clock, deadLetters, letters } = createDrainWorld({
    answer: (_records, failures) => (failures < 25 ? retryAt(clock.now() + 10) : refused),
  });
  topics.add('orders', 0, [[0, 'a']]);
  for (let runs = 0; runs < 26; runs += 1) {
    await run();
    await clock.advance(10);
  }
  const found = await deadLetters.get('audit', (await letters())[0]?.key ?? '');
  const times = found?.letter.attempts?.map(({ atMs }) => atMs) ?? [];
  assert.equal(times.length, 20);
  assert.equal(times[0], 0);
  assert.deepEqual(
    times.slice(1),
    [...Array(19).keys()].map((index) => (index + 7) * 10),
  );
});

test('a change from key to partition order sends what is parked before anything else', async () => {
  let failing = true;
  const { topics, run, restart, delivered, clock } = createDrainWorld({
    answer: ([record]) => (failing && record?.key === 'a' ? retryAt(5_000) : undefined),
  });
  topics.add('orders', 0, [
    [0, 'a'],
    [1, 'b'],
  ]);
  await run();
  restart({ ordering: 'partition' });
  topics.add('orders', 0, [
    [0, 'a'],
    [1, 'b'],
    [2, 'c'],
  ]);
  await run();
  assert.deepEqual(delivered, ['0@1']);
  failing = false;
  await clock.advance(5_000);
  await run();
  assert.deepEqual(delivered, ['0@1', '0@0', '0@2']);
});

for (const ordering of ['key', 'partition'] as const) {
  test(`${ordering}: a record whose every attempt breaks is given up at last, and what is behind it goes on`, async () => {
    const { topics, run, clock, letters, delivered } = createDrainWorld({
      subscription: { ordering },
      answer: ([record]) => {
        if (record?.offset === 0n) throw new RangeError('a defect');
        return undefined;
      },
    });
    topics.add('orders', 0, [
      [0, 'a'],
      [1, 'a'],
    ]);
    for (let minutes = 0; minutes < 15; minutes += 1) {
      await run();
      await clock.advance(60_000);
    }
    assert.deepEqual(
      (await letters()).map(({ reason }) => reason.code),
      ['delivery.broken'],
    );
    assert.deepEqual(delivered, ['0@1']);
  });
}
