import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRequestGate } from './request-gate.ts';

test('work beyond the concurrent limit waits its turn, and beyond the outstanding limit is refused', async () => {
  const gate = createRequestGate({ concurrentMax: 1, outstandingMax: 2 });
  const started: string[] = [];
  const first = Promise.withResolvers<void>();
  const work = (name: string, until: Promise<void>) => async () => {
    started.push(name);
    await until;
    return name;
  };
  const one = gate.enter(work('one', first.promise));
  const two = gate.enter(work('two', Promise.resolve()));
  assert.equal(gate.enter(work('three', Promise.resolve())), undefined);
  assert.deepEqual(started, ['one']);
  first.resolve();
  assert.deepEqual(await Promise.all([one, two]), ['one', 'two']);
  assert.equal(await gate.enter(work('four', Promise.resolve())), 'four');
});

test('work that fails gives its place back', async () => {
  const gate = createRequestGate({ concurrentMax: 1, outstandingMax: 1 });
  await assert.rejects(gate.enter(() => Promise.reject(new Error('broken'))) ?? Promise.resolve(), /broken/);
  assert.equal(await gate.enter(async () => 'in'), 'in');
});
