import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSlots } from './slots.ts';

test('no more than the slots there are get in, and the others follow in order', async () => {
  const slots = createSlots(2);
  const inside: number[] = [];
  const entries = [1, 2, 3, 4].map(async (caller) => {
    await slots.take();
    inside.push(caller);
  });
  await Promise.all(entries.slice(0, 2));
  assert.deepEqual(inside, [1, 2]);

  slots.free();
  await entries[2];
  assert.deepEqual(inside, [1, 2, 3]);
  slots.free();
  await entries[3];
  assert.deepEqual(inside, [1, 2, 3, 4]);
});

test('a slot that nobody waits for is there for the next caller', async () => {
  const slots = createSlots(1);
  await slots.take();
  slots.free();
  await slots.take();
});
