import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Progress } from './progress.ts';

const offsetsMax = 60;

test('whatever is finished in whatever order, progress knows it like a set of offsets would', () => {
  const range = fc.tuple(fc.nat(offsetsMax - 1), fc.integer({ min: 1, max: 8 }));
  fc.assert(
    fc.property(fc.nat(5), fc.array(range, { maxLength: 40 }), (start, ranges) => {
      const progress = new Progress({ nextOffset: BigInt(start), finished: [] });
      const finished = new Set<number>(Array(start).keys());
      for (const [from, length] of ranges) {
        progress.finish(BigInt(from), BigInt(from + length));
        for (let offset = from; offset < from + length; offset += 1) finished.add(offset);
        assertLike(progress, finished);
      }
      const { nextOffset, ranges: kept } = progress;
      assertLike(new Progress({ nextOffset, finished: kept }), finished);
    }),
  );
});

function assertLike(progress: Progress, finished: ReadonlySet<number>): void {
  const firstUnfinished = (from: number) => {
    let offset = from;
    while (finished.has(offset)) offset += 1;
    return offset;
  };
  const next = firstUnfinished(0);
  assert.equal(Number(progress.nextOffset), next);
  for (let offset = next; offset < offsetsMax; offset += 1) {
    assert.equal(Number(progress.firstUnfinished(BigInt(offset))), firstUnfinished(offset));
  }
  let before = progress.nextOffset;
  for (const { fromOffset, toOffset } of progress.ranges) {
    assert.ok(before < fromOffset && fromOffset < toOffset, 'in order and apart');
    before = toOffset;
  }
  assert.equal(progress.rangeCount, progress.ranges.length);
  const open = progress
    .unfinished(0n, BigInt(offsetsMax))
    .flatMap(({ fromOffset, toOffset }) =>
      Array.from({ length: Number(toOffset - fromOffset) }, (_, index) => Number(fromOffset) + index),
    );
  const expected = [...Array(offsetsMax).keys()].filter((offset) => !finished.has(offset));
  assert.deepEqual(open, expected);
}
