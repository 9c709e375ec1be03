import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDrainWorld } from '../../test/support/drain-world.ts';
import { createOperateWorld } from '../../test/support/operate-world.ts';
import { type Checkpoint, claim, isFree } from '../drain/checkpoint.ts';
import type { CheckpointStore } from '../drain/ports.ts';
import { silentLog } from '../shared/log.ts';
import { seek } from './seek.ts';

const place = { subscription: 'billing', topic: 'orders', partition: 0 };
const subscription = 'billing';
const earliest = { kind: 'earliest' } as const;

function worldOf(records: number) {
  const world = createOperateWorld();
  for (let index = 0; index < records; index += 1) world.topics.append('orders', 0);
  return world;
}

test('a seek moves a checkpoint back and forgets what was finished ahead and what it waited for', async () => {
  const { options, checkpoint } = worldOf(20);
  const retry = { failures: 2, atMs: 5, error: 'answered 500', attempts: [] };
  const parked = { count: 3, nextAttemptMs: 9 };
  const gaps = [{ fromOffset: 1n, toOffset: 2n, atMs: 1, cause: 'empty' as const }];
  const finished = [{ fromOffset: 14n, toOffset: 16n }];
  await checkpoint(0, { nextOffset: 12n, endOffset: 18n, epoch: 4, retry, parked, gaps, finished });
  const answer = await seek(options, { subscription, topic: 'orders', partition: 0, to: earliest });
  assert.deepEqual(answer.partitions, [
    { topic: 'orders', partition: 0, before: '12', now: '0', endOffset: '20', parked: 3 },
  ]);
  const stored = await options.checkpoints.read(place);
  assert.deepEqual(stored?.checkpoint, {
    ...place,
    nextOffset: 0n,
    endOffset: 20n,
    epoch: 4,
    lease: null,
    finished: [],
    retry: null,
    loss: null,
    parked,
    gaps,
  });
});

test('a walk under way is shut out: its next write is refused', async () => {
  const { options, checkpoint, clock } = worldOf(20);
  const free = await checkpoint(0, { nextOffset: 3n });
  const lease = { owner: 'walk', expiresAtMs: clock.now() + 60_000 };
  const held = await options.checkpoints.replace(claim(free.checkpoint, lease, clock.now()), free.version);
  assert.ok(held);
  await seek(options, { subscription, to: earliest });
  assert.equal(await options.checkpoints.replace(held.checkpoint, held.version), undefined);
  const now = await options.checkpoints.read(place);
  assert.ok(now && isFree(now.checkpoint, clock.now()));
});

/** A holder that saves between a seek's read and its write, as often as told. */
function busyStore(store: CheckpointStore, saves: number): CheckpointStore {
  let left = saves;
  return {
    ...store,
    read: async (where) => {
      const stored = await store.read(where);
      if (stored !== undefined && left > 0) {
        left -= 1;
        await store.replace(
          { ...stored.checkpoint, nextOffset: stored.checkpoint.nextOffset + 1n },
          stored.version,
        );
      }
      return stored;
    },
  };
}

test('a seek wins against a holder that keeps saving', async () => {
  const { options, checkpoint } = worldOf(20);
  await checkpoint(0, { nextOffset: 3n });
  const checkpoints = busyStore(options.checkpoints, 5);
  await seek({ ...options, checkpoints }, { subscription, to: earliest });
  assert.equal((await options.checkpoints.read(place))?.checkpoint.nextOffset, 0n);
});

test('a seek that never wins gives up and says so', async () => {
  const { options, checkpoint } = worldOf(20);
  await checkpoint(0, { nextOffset: 3n });
  const checkpoints = busyStore(options.checkpoints, 1_000);
  await assert.rejects(seek({ ...options, checkpoints }, { subscription, to: earliest }), {
    code: 'operate.contended',
  });
});

test('without topic and partition it moves all, and begins those that were not begun', async () => {
  const { options, topics, checkpoint } = worldOf(4);
  topics.append('orders', 1);
  await checkpoint(0, { nextOffset: 2n });
  const { partitions } = await seek(options, { subscription, to: { kind: 'latest' } });
  assert.deepEqual(
    partitions.map(({ partition, before, now }) => [partition, before, now]),
    [
      [0, '2', '4'],
      [1, null, '1'],
    ],
  );
});

test('a seek to a time goes to the first record that is not older', async () => {
  const { options, topics, checkpoint } = createOperateWorld();
  await checkpoint(0);
  for (const timestampMs of [1_000n, 2_000n, 2_000n, 3_000n]) topics.append('orders', 0, { timestampMs });
  const request = { subscription, topic: 'orders', partition: 0 };
  const { partitions } = await seek(options, { ...request, to: { kind: 'time', timeMs: 1_500 } });
  assert.deepEqual(
    partitions.map(({ now }) => now),
    ['1'],
  );
});

test('in a topic that was made anew nothing is moved while records of the former one are parked', async () => {
  const { options, checkpoint } = worldOf(4);
  await checkpoint(0, { nextOffset: 12n, parked: { count: 2, nextAttemptMs: 9 } });
  const request = { subscription, topic: 'orders', partition: 0, to: earliest };
  await assert.rejects(seek(options, request), /orders:0 was made anew, and 2 of its former records/);
  assert.equal((await options.checkpoints.read(place))?.checkpoint.nextOffset, 12n);
});

test('a topic that was made anew is not sought in while a walk may park records of the former one', async () => {
  const { options, checkpoint } = worldOf(4);
  await checkpoint(0, { nextOffset: 12n, lease: { owner: 'walk', expiresAtMs: 0 } });
  await assert.rejects(seek(options, { subscription, to: earliest }), /orders:0 was made anew, and a walk/);
});

/** `billing` stands in a partition that Kafka does not show any more. */
async function worldWithGone(changes: Partial<Checkpoint> = {}) {
  const world = worldOf(4);
  await world.checkpoint(0, { nextOffset: 2n, endOffset: 4n });
  await world.checkpoint(1, { nextOffset: 3n, endOffset: 5n, epoch: 7, ...changes });
  world.topics.remove('orders', 1);
  return world;
}
const gone = { subscription, topic: 'orders', partition: 1 };

test('a partition that is gone is given up by a seek to earliest: what was not delivered becomes a gap', async () => {
  const { options, clock } = await worldWithGone();
  const { partitions } = await seek(options, { ...gone, to: earliest });
  const givenUp = { topic: 'orders', partition: 1, before: '3', now: '0', endOffset: '0', parked: 0 };
  assert.deepEqual(partitions, [givenUp]);
  const stored = async () => (await options.checkpoints.read(gone))?.checkpoint;
  const gap = { fromOffset: 3n, toOffset: 5n, atMs: clock.now(), cause: 'gone' };
  const { nextOffset, endOffset, epoch, gaps } = (await stored()) ?? assert.fail('it was deleted');
  assert.deepEqual([nextOffset, endOffset, epoch, gaps], [0n, 0n, 7, [gap]]);
  await seek(options, { ...gone, to: earliest });
  assert.deepEqual((await stored())?.gaps, [gap], 'once');
});

test('a partition of a topic that is gone as a whole is given up in the same way', async () => {
  const { options, topics } = await worldWithGone();
  topics.remove('orders', 0);
  await seek(options, { ...gone, to: earliest });
  assert.equal((await options.checkpoints.read(gone))?.checkpoint.nextOffset, 0n);
});

for (const [what, changes, to, message] of [
  [
    'by another position',
    {},
    { kind: 'latest' },
    /does not show orders:1; only a seek to earliest gives it up/,
  ],
  ['while records are parked', { parked: { count: 2, nextAttemptMs: 9 } }, earliest, /gone, and 2 of its/],
  ['while it is walked', { lease: { owner: 'w', expiresAtMs: 9 } }, earliest, /gone, and a walk .* next run/],
] as const) {
  test(`a partition that is gone is not given up ${what}`, async () => {
    const { options } = await worldWithGone(changes);
    await assert.rejects(seek(options, { ...gone, to }), message);
    assert.equal((await options.checkpoints.read(gone))?.checkpoint.nextOffset, 3n);
  });
}

test('a seek in all partitions leaves one that is gone as it is', async () => {
  const { options } = await worldWithGone();
  const { partitions } = await seek(options, { subscription, to: earliest });
  assert.deepEqual(
    partitions.map(({ partition }) => partition),
    [0],
  );
  assert.equal((await options.checkpoints.read(gone))?.checkpoint.nextOffset, 3n);
});

test('the drain warns of a partition that is gone until it is given up, and reads all of it if it comes back', async () => {
  const warned: string[] = [];
  const report = { ...silentLog, warn: (event: string) => warned.push(event) };
  const drain = createDrainWorld({ report, subscription: { start: 'latest' } });
  for (const partition of [0, 1]) drain.topics.add('orders', partition, [0, 1, 2]);
  await drain.run();
  drain.topics.remove('orders', 1);
  await drain.run();
  assert.deepEqual(warned, ['drain.partitions-missing']);
  const { options } = createOperateWorld();
  const audit = options.subscriptions.get('billing') ?? assert.fail();
  const subscriptions = new Map([['audit', audit]]);
  const { topics, checkpoints } = drain;
  await seek(
    { ...options, subscriptions, log: topics.log, checkpoints },
    { ...gone, subscription: 'audit', to: earliest },
  );
  assert.deepEqual((await drain.position(1))?.gaps, [], 'all of it was delivered');
  await drain.run();
  assert.deepEqual(warned, ['drain.partitions-missing']);
  drain.topics.add('orders', 1, [0, 1, 2, 3]);
  await drain.run();
  assert.deepEqual(drain.delivered, ['1@0', '1@1', '1@2', '1@3']);
});

test('a target that one partition does not hold moves none', async () => {
  const { options, checkpoint } = worldOf(20);
  await checkpoint(0, { nextOffset: 3n });
  // Partition 1 is empty.
  const wrong = seek(options, { subscription, topic: 'orders', to: { kind: 'offset', offset: 7n } });
  await assert.rejects(wrong, /orders:1 holds 0 up to, not including, 0; 7 is outside/);
  assert.equal((await options.checkpoints.read(place))?.checkpoint.nextOffset, 3n);
});

test('one partition alone is not begun by a seek: those above it would count as new', async () => {
  const { options } = worldOf(3);
  const request = { subscription, topic: 'orders', partition: 0, to: earliest };
  await assert.rejects(seek(options, request), /billing has not begun orders:0; seek in all partitions/);
  assert.equal(await options.checkpoints.read(place), undefined);
});

for (const [what, request, message] of [
  ['subscription', { subscription: 'bling' }, /"bling" is not configured; there are: billing/],
  ['topic', { subscription, topic: 'x' }, /billing does not read "x"; it reads: orders/],
  ['partition', { subscription, topic: 'orders', partition: 9 }, /orders has 2 partitions, from 0 on/],
] as const) {
  test(`an unknown ${what} is refused with what there is`, async () => {
    await assert.rejects(seek(createOperateWorld().options, { ...request, to: earliest }), message);
  });
}
