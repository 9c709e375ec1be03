import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFlat } from './flat.ts';

test('memory is flat when it no longer grows in the second half', () => {
  assert.equal(isFlat([100, 200, 300, 300, 310, 320]), true);
  assert.equal(isFlat([100, 200, 300, 310, 320, 331]), false);
});
