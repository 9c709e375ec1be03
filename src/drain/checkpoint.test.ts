import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advance, begin, claim, gapsMax, holdBack, isFree, passGap, release } from './checkpoint.ts';

const place = { subscription: 'audit', topic: 'orders', partition: 0 };
const lease = { owner: 'run-1', expiresAtMs: 1000 };
const fresh = begin(place, { nextOffset: 5n, endOffset: 9n });
const held = claim(fresh, lease, 0);

test('a lease excludes others until it lapses or is given up', () => {
  assert.ok(isFree(fresh, 0));
  assert.ok(!isFree(held, 999));
  assert.ok(isFree(held, 1000));
  assert.ok(isFree(release(held), 0));
  assert.throws(() => claim(held, { owner: 'run-2', expiresAtMs: 2000 }, 999), /free/);
  assert.equal(claim(held, { owner: 'run-2', expiresAtMs: 2000 }, 1000).epoch, 2);
});

test('a checkpoint only moves forward, and only its holder moves it', () => {
  assert.equal(advance(held, 7n).nextOffset, 7n);
  assert.throws(() => advance(held, 4n), /backwards/);
  assert.throws(() => advance(fresh, 7n), /holder/);
});

test('moving past a record that was held back forgets its failures', () => {
  const waiting = holdBack(held, { failures: 3, atMs: 50, error: 'answered 500' });
  assert.equal(waiting.nextOffset, 5n);
  assert.equal(advance(waiting, 5n).retry?.failures, 3);
  assert.equal(advance(waiting, 6n).retry, null);
});

test('what retention took is kept as gaps, in bounded number and without hiding any', () => {
  let checkpoint = held;
  for (let lost = 0; lost < gapsMax + 10; lost += 1) {
    checkpoint = passGap(checkpoint, {
      toOffset: checkpoint.nextOffset + 2n,
      atMs: lost,
      cause: 'retention',
    });
  }
  assert.equal(checkpoint.gaps.length, gapsMax);
  assert.equal(checkpoint.gaps[0]?.fromOffset, 5n);
  assert.equal(checkpoint.gaps.at(-1)?.toOffset, checkpoint.nextOffset);
  for (const [index, gap] of checkpoint.gaps.entries()) {
    if (index > 0) assert.equal(gap.fromOffset, checkpoint.gaps[index - 1]?.toOffset);
  }
});
