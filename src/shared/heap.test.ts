import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Heap } from './heap.ts';

test('whatever is added and taken in between, the least is always taken', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 50 }))), (steps) => {
      const heap = new Heap<number>((one, other) => one < other);
      const model: number[] = [];
      for (const step of steps) {
        if (step !== null) {
          heap.add(step);
          model.push(step);
          model.sort((a, b) => a - b);
        } else assert.equal(heap.take(), model.shift());
        assert.equal(heap.first, model[0]);
      }
      for (const left of model) assert.equal(heap.take(), left);
      assert.equal(heap.take(), undefined);
    }),
  );
});
