import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOperateWorld } from '../../test/support/operate-world.ts';
import { claim, isFree } from '../drain/checkpoint.ts';
import type { CheckpointStore } from '../drain/ports.ts';
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
