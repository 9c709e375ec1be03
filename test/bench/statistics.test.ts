import assert from 'node:assert/strict';
import { test } from 'node:test';
import { medianOf, percentileOf } from './statistics.ts';

test('a median does not depend on the order, and one wild round does not move it', () => {
  assert.equal(medianOf([5, 1, 900]), 5);
  assert.equal(medianOf([4, 1, 2, 3]), 2.5);
  assert.equal(medianOf([7]), 7);
  assert.throws(() => medianOf([]), RangeError);
});

test('a percentile is one of the values, by nearest rank', () => {
  const hundred = Float64Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.equal(percentileOf(hundred, 0.5), 50);
  assert.equal(percentileOf(hundred, 0.99), 99);
  assert.equal(percentileOf(hundred, 1), 100);
  assert.equal(percentileOf(Float64Array.of(3), 0.99), 3);
  assert.throws(() => percentileOf(new Float64Array(), 0.5), RangeError);
});
