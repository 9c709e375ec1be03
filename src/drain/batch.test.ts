import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, createDrainWorld, type WorldOptions } from '../../test/support/drain-world.ts';
import type { Delivery } from '../delivery/deliver.ts';
import { finishedMax } from './checkpoint.ts';

/** Batches of at most four, as the endpoint sees them. */
function batchWorld(options: WorldOptions = {}) {
  return createDrainWorld({
    batch: { recordsMax: 4, ...options.batch },
    limits: { pageRecords: 100 },
    ...options,
    subscription: { maxInFlight: 1, ...options.subscription },
  });
}

const numbers = (count: number) => [...Array(count).keys()];

/** Refuses a request that holds one of these offsets. */
const refusing =
  (...offsets: number[]): Answer =>
  (records) => {
    if (!records.some(({ offset }) => offsets.includes(Number(offset)))) return undefined;
    if (records.length > 1) return { kind: 'split', error: 'answered 400', endpoint: 'refusing' };
    const reason = { code: 'delivery.refused', message: 'answered 400' } as const;
    return { kind: 'dead-letter', reason, endpoint: 'refusing' };
  };

test('records travel together up to the limit of records', async () => {
  const { topics, run, requests, position } = batchWorld();
  topics.add('orders', 0, numbers(10));
  await run();
  assert.deepEqual(requests, ['0,1,2,3', '4,5,6,7', '8,9']);
  assert.equal((await position())?.nextOffset, 10n);
});

test('a request keeps to its bytes, and a record that is larger goes alone', async () => {
  const sizes = [10, 30, 200, 40, 50];
  const prepare: Delivery['prepare'] = (record) => ({
    kind: 'ready',
    prepared: { record, target: '', bytes: sizes[Number(record.offset)] ?? 0 },
  });
  const { topics, run, requests } = batchWorld({ prepare, batch: { recordsMax: 10, bytesMax: 100 } });
  topics.add('orders', 0, numbers(5));
  await run();
  assert.deepEqual(requests, ['0,1', '2', '3,4']);
});

test('records of different targets never travel together, and none overtakes its key', async () => {
  const prepare: Delivery['prepare'] = (record) => ({
    kind: 'ready',
    prepared: { record, target: record.offset % 2n === 0n ? 'even' : 'odd', bytes: 1 },
  });
  const loose = batchWorld({ prepare, batch: { recordsMax: 10 } });
  loose.topics.add('orders', 0, numbers(6));
  await loose.run();
  assert.deepEqual(loose.requests, ['0,2,4', '1,3,5']);

  const strict = batchWorld({ prepare, batch: { recordsMax: 10 }, subscription: { ordering: 'partition' } });
  strict.topics.add('orders', 0, numbers(4));
  await strict.run();
  assert.deepEqual(strict.requests, ['0', '1', '2', '3']);
});

test('a batch that is refused is halved until the refused record stands alone', async () => {
  const { topics, run, requests, letters, delivered, position } = batchWorld({ answer: refusing(2) });
  topics.add('orders', 0, numbers(4));
  await run();
  assert.deepEqual(requests, ['0,1,2,3', '0,1', '2,3', '2', '3']);
  assert.deepEqual(delivered, ['0@0', '0@1', '0@3']);
  assert.deepEqual(
    (await letters()).map(({ id }) => id),
    ['orders_0_2'],
  );
  assert.equal((await position())?.nextOffset, 4n);
});

test('a batch that is refused is taken apart to its end, however slow the endpoint, before a turn is over', async () => {
  const refuse = refusing(0);
  const world = batchWorld({
    batch: { recordsMax: 8 },
    subscription: { attemptMs: 6_000 },
    answer: async (records, failures) => {
      await world.clock.sleep(6_000);
      return refuse(records, failures);
    },
  });
  world.topics.add('orders', 0, numbers(9));
  const running = world.run();
  await world.clock.advance(60_000);
  await running;
  assert.deepEqual(world.requests, ['0,1,2,3,4,5,6,7', '0,1,2,3', '0,1', '0', '1', '2,3', '4,5,6,7', '8']);
  assert.equal((await world.position())?.nextOffset, 9n);
  assert.equal((await world.position())?.epoch, 2, 'what is whole waits for its turn');
});

test('where many refused batches share a connection, few at a time are taken apart', async () => {
  const refuse = refusing(...numbers(64));
  const world = batchWorld({
    batch: { recordsMax: 16 },
    subscription: {
      maxInFlight: 4,
      attemptMs: 4_000,
      limits: {
        connectionsMax: 1,
        breaker: { failureRatio: 1, attemptsMin: 1_000, openMs: 30_000, openMsMax: 30_000 },
      },
    },
    answer: async (records, failures) => {
      await world.clock.sleep(4_000);
      return refuse(records, failures);
    },
  });
  for (const partition of numbers(4)) world.topics.add('orders', partition, numbers(64));
  const running = world.run();
  await world.clock.advance(60_000);
  await running;
  assert.equal(world.requests.length, 15);
  assert.equal((await world.letters()).length, 5, 'of two batches, by turns');
});

test('when a half fails, what follows of its keys is parked, not sent', async () => {
  const { topics, run, requests, clock, position } = batchWorld({
    answer: (records, failures) => {
      if (records.length === 4) return { kind: 'split', error: 'answered 400', endpoint: 'refusing' };
      const fails = failures === 0 && records.some(({ offset }) => offset === 1n);
      return fails
        ? { kind: 'retry', atMs: clock.now() + 1_000, error: 'answered 500', endpoint: 'failing' }
        : undefined;
    },
  });
  topics.add('orders', 0, [
    [0, 'b'],
    [1, 'a'],
    [2, 'a'],
    [3, 'c'],
  ]);
  await run();
  assert.deepEqual(requests, ['0,1,2,3', '0,1', '3']);
  assert.equal((await position())?.parked.count, 3);
  await clock.advance(1_000);
  await run();
  assert.deepEqual(requests.slice(3), ['0,1', '2'], 'what failed equally often goes together');
});

test('in partition order a batch that fails holds the partition, and its first record goes alone', async () => {
  let failing = true;
  const seen: number[] = [];
  const { topics, run, requests, clock, position } = batchWorld({
    subscription: { ordering: 'partition' },
    answer: (_records, failures) => {
      seen.push(failures);
      return failing
        ? { kind: 'retry', atMs: clock.now() + 1_000, error: 'answered 500', endpoint: 'failing' }
        : undefined;
    },
  });
  topics.add('orders', 0, numbers(6));
  await run();
  assert.equal((await position())?.retry?.failures, 1);
  await clock.advance(1_000);
  failing = false;
  await run();
  assert.deepEqual(requests, ['0,1,2,3', '0', '1,2,3,4', '5']);
  assert.deepEqual(seen, [0, 1, 0, 0]);
});

test('a batch that is not full waits for more at the end of the log, for as long as it may linger', async () => {
  const { topics, run, requests, clock } = batchWorld({ batch: { recordsMax: 4, lingerMs: 500 } });
  topics.add('orders', 0, numbers(6));
  const running = run();
  await clock.advance(499);
  assert.deepEqual(requests, ['0,1,2,3']);
  topics.add('orders', 0, numbers(7));
  await clock.advance(1);
  await running;
  assert.deepEqual(requests, ['0,1,2,3', '4,5,6']);
  assert.equal(clock.pendingSleeps(), 0);
});

test('a batch spans pages', async () => {
  const { topics, run, requests } = batchWorld({ limits: { pageRecords: 3 } });
  topics.add('orders', 0, numbers(8));
  await run();
  assert.deepEqual(requests, ['0,1,2,3', '4,5,6,7']);
});

test('at the bound of finished ranges a batch takes all that moves the position on', async () => {
  const { topics, run, requests, clock, delivered, position } = batchWorld({
    batch: { recordsMax: 10 },
    subscription: { maxInFlight: 4 },
    limits: { pageRecords: 10_000, windowRecords: 10_000 },
    answer: async ([record]) => {
      // Every second record is of one key, whose first records take long.
      if (record?.offset === 0n) await clock.sleep(10_000);
      return undefined;
    },
  });
  topics.add(
    'orders',
    0,
    Array.from({ length: 2_000 }, (_, offset) => [offset, offset % 2 === 0 ? 'slow' : `k${offset}`] as const),
  );
  const running = run();
  await clock.advance(6_000);
  assert.equal((await position())?.finished.length, finishedMax - 1, 'the delivery under way is one more');
  await clock.advance(4_000);
  await running;
  assert.equal(delivered.length, 2_000);
  assert.ok(requests.length <= 260, `${requests.length} requests`);
});

test('unless a window is configured, all the requests that may be under way fit into it', async () => {
  for (const [ordering, underWay] of [
    ['none', 16],
    ['partition', 1],
  ] as const) {
    const world = batchWorld({
      batch: { recordsMax: 100 },
      subscription: { ordering, maxInFlight: 16, parkedMax: 10_000 },
      limits: { pageRecords: 1_000 },
      answer: () => world.clock.sleep(1_000).then(() => undefined),
    });
    world.topics.add('orders', 0, numbers(4_000));
    const running = world.run();
    await world.clock.advance(999);
    assert.equal(world.requests.length, underWay, ordering);
    await world.clock.advance(59_000);
    await running;
    assert.equal(world.delivered.length, 4_000);
  }
});

test('a batch is never larger than the window or the room for parked records', async () => {
  const small = batchWorld({ limits: { pageRecords: 100, windowRecords: 2 } });
  small.topics.add('orders', 0, numbers(5));
  await small.run();
  assert.deepEqual(small.requests, ['0,1', '2,3', '4']);

  const narrow = batchWorld({ subscription: { parkedMax: 3 } });
  narrow.topics.add('orders', 0, numbers(5));
  await narrow.run();
  assert.deepEqual(narrow.requests, ['0,1,2', '3,4']);
});
