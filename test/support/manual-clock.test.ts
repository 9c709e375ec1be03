import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from './manual-clock.ts';

test('time stands still until it is advanced', async () => {
  const clock = createManualClock(1_000);
  let ended = false;
  const sleeping = clock.sleep(50).then(() => {
    ended = true;
  });

  await clock.advance(49);
  assert.equal(ended, false);
  assert.equal(clock.now(), 1_049);
  assert.equal(clock.pendingSleeps(), 1);

  await clock.advance(1);
  assert.equal(ended, true);
  assert.equal(clock.now(), 1_050);
  assert.equal(clock.pendingSleeps(), 0);
  await sleeping;
});

test('sleeps end in the order they fall due, each seeing its own time', async () => {
  const clock = createManualClock(0);
  const seen: string[] = [];
  const note = async (name: string, delayMs: number) => {
    await clock.sleep(delayMs);
    seen.push(`${name}@${clock.now()}`);
  };
  const all = Promise.all([note('late', 30), note('early', 10), note('first', 20), note('second', 20)]);

  await clock.advance(100);

  assert.deepEqual(seen, ['early@10', 'first@20', 'second@20', 'late@30']);
  assert.equal(clock.now(), 100);
  await all;
});

test('a loop that sleeps again and again is carried through in one advance', async () => {
  const clock = createManualClock(0);
  const ticks: number[] = [];
  const loop = async () => {
    for (let round = 0; round < 5; round += 1) {
      await clock.sleep(1_000);
      await Promise.resolve();
      ticks.push(clock.now());
    }
  };
  const running = loop();

  await clock.advance(3_500);
  assert.deepEqual(ticks, [1_000, 2_000, 3_000]);

  await clock.advance(1_500);
  assert.deepEqual(ticks, [1_000, 2_000, 3_000, 4_000, 5_000]);
  await running;
});

test('an aborted sleep rejects with the reason of its signal and is no longer pending', async () => {
  const clock = createManualClock();
  const stop = new AbortController();
  const sleeping = clock.sleep(10, stop.signal);
  assert.equal(clock.pendingSleeps(), 1);

  stop.abort(new Error('shutting down'));

  await assert.rejects(sleeping, /shutting down/);
  assert.equal(clock.pendingSleeps(), 0);
  await assert.rejects(clock.sleep(10, stop.signal), /shutting down/);
});

test('a sleep of zero or less does not wait for an advance', async () => {
  const clock = createManualClock();
  await clock.sleep(0);
  await clock.sleep(-1);
  assert.equal(clock.pendingSleeps(), 0);
});

test('time cannot be moved backwards', async () => {
  await assert.rejects(createManualClock().advance(-1), /only moves forward/);
});
