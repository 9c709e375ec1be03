import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Advance,
  advance,
  begin,
  type Checkpoint,
  claim,
  type Gap,
  gapsMax,
  isDue,
  isFree,
  recreatedAfterMs,
  release,
  seek,
  withGap,
} from './checkpoint.ts';

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

/** What a holder stores when only its position has moved. */
function to(nextOffset: bigint, gaps: readonly Gap[] = []): Advance {
  const { endOffset, finished, retry, parked, loss } = held;
  return { nextOffset, endOffset, finished, retry, parked, loss, gaps };
}

test('a checkpoint only moves forward, and only its holder moves it', () => {
  assert.equal(advance(held, to(7n)).nextOffset, 7n);
  assert.throws(() => advance(held, to(4n)), /backwards/);
  assert.throws(() => advance(fresh, to(7n)), /holder/);
});

test('only a topic made anew leads backwards', () => {
  const gap = { fromOffset: 5n, toOffset: 0n, atMs: 0, cause: 'recreated' } as const;
  const anew = advance(held, to(0n, [gap]));
  assert.equal(anew.nextOffset, 0n);
  assert.throws(() => advance({ ...anew, nextOffset: 3n }, { ...to(1n), gaps: anew.gaps }), /backwards/);
});

test('a seek takes the lease away, and leaves a sign that something may be parked', () => {
  const sought = seek(held, 2n);
  assert.equal(sought.nextOffset, 2n);
  assert.ok(isFree(sought, 0));
  assert.notEqual(sought.lease, null);
  assert.equal(seek(fresh, 2n).lease, null);
});

test('gaps are kept in bounded number and without hiding any', () => {
  let gaps: readonly Gap[] = [];
  for (let lost = 0; lost < gapsMax + 10; lost += 1) {
    const fromOffset = 2n * BigInt(lost);
    gaps = withGap(gaps, { fromOffset, toOffset: fromOffset + 2n, atMs: lost, cause: 'retention' });
  }
  assert.equal(gaps.length, gapsMax);
  assert.equal(gaps[0]?.fromOffset, 0n);
  assert.equal(gaps.at(-1)?.toOffset, 2n * BigInt(gapsMax + 10));
  for (const [index, gap] of gaps.entries()) {
    if (index > 0) assert.equal(gap.fromOffset, gaps[index - 1]?.toOffset);
  }
});

test('what makes a walk worth while', () => {
  const due = (changes: Partial<Checkpoint>, latestOffset: bigint, nowMs = 100) =>
    isDue({ ...fresh, ...changes }, latestOffset, { nowMs, parkedMax: 3 });
  const retry = { failures: 1, atMs: 500, error: '', attempts: [] };
  const recreated = { cause: 'recreated', sinceMs: 100, halted: false } as const;
  const seenLongEnoughMs = 100 + recreatedAfterMs;

  assert.ok(!due({}, 5n), 'nothing new');
  assert.ok(due({}, 6n), 'a new record');
  assert.ok(!due({ retry }, 9n), 'the partition waits');
  assert.ok(due({ retry }, 9n, 500), 'its next attempt is due');
  assert.ok(!due({ retry: { ...retry, failures: 0 } }, 9n), 'a tail without records');
  assert.ok(due({ retry: { ...retry, failures: 0 } }, 10n), 'a new end is a reason to look again');
  assert.ok(due({ parked: { count: 1, nextAttemptMs: 100 } }, 5n), 'a parked record is due');
  assert.ok(!due({ parked: { count: 1, nextAttemptMs: 101 } }, 5n), 'a parked record is not due');
  assert.ok(!due({ parked: { count: 3, nextAttemptMs: 101 } }, 9n), 'no room for what may fail');
  assert.ok(due({}, 4n), 'the partition is seen to end before the checkpoint');
  assert.ok(!due({ loss: recreated }, 4n), 'that is known');
  assert.ok(due({ loss: recreated }, 4n, seenLongEnoughMs), 'it was seen so for long enough');
  assert.ok(
    !due(
      { loss: recreated, parked: { count: 1, nextAttemptMs: seenLongEnoughMs + 1 } },
      4n,
      seenLongEnoughMs,
    ),
    'records of the old topic are still parked',
  );
  assert.ok(due({ loss: recreated }, 5n), 'it is not so any more');
  assert.ok(
    due({ lease: { owner: 'run-1', expiresAtMs: 100 } }, 5n),
    'a lease that lapsed may hide parked records',
  );
});
