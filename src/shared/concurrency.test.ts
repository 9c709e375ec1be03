import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachLimited } from './concurrency.ts';

test('every item is worked on, never more than the limit at once', async () => {
  let running = 0;
  let runningMax = 0;
  const done: number[] = [];
  await forEachLimited([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    running += 1;
    runningMax = Math.max(runningMax, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    done.push(item);
  });
  assert.deepEqual(done.sort(), [1, 2, 3, 4, 5, 6, 7]);
  assert.equal(runningMax, 3);
});

test('one failure is reported after the others have ended', async () => {
  const done: number[] = [];
  await assert.rejects(
    forEachLimited([1, 2, 3], 1, async (item) => {
      if (item === 1) throw new Error('first');
      done.push(item);
    }),
    /first/,
  );
  assert.deepEqual(done, [2, 3]);
});
