import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Breaker } from './breaker.ts';

const limits = { failureRatio: 0.5, attemptsMin: 4, openMs: 1_000, openMsMax: 5_000 };

/** Records attempts, `x` for one that failed; gives those at which the circuit opens. */
function openings(attempts: string, stepMs = 1): number[] {
  const breaker = new Breaker(limits);
  return [...attempts].flatMap((one, index) => (breaker.record(one === 'x', index * stepMs) ? [index] : []));
}

test('a circuit opens when so many of the last attempts failed, and only on a failure', () => {
  assert.deepEqual(openings('xxx'), [], 'too few to say');
  assert.deepEqual(openings('xx..'), [], 'the last one succeeded');
  assert.deepEqual(openings('..xx'), [3]);
  assert.deepEqual(openings('xxx.....x...x'), [], 'what lies further back is forgotten');
  assert.deepEqual(openings('x.x......x.x'), [11]);
});

test('failures far apart open nothing', () => {
  assert.deepEqual(openings('xxxx', 120_000), []);
});

test('each further opening lasts twice as long, up to the longest', () => {
  const breaker = new Breaker(limits);
  assert.deepEqual(
    [0, 1, 2, 3, 60].map((before) => breaker.openMs(before)),
    [1_000, 2_000, 4_000, 5_000, 5_000],
  );
});
