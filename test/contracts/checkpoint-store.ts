import assert from 'node:assert/strict';
import { test } from 'node:test';
import { begin, type Checkpoint } from '../../src/drain/checkpoint.ts';
import type { CheckpointStore } from '../../src/drain/ports.ts';

/** A checkpoint in which every field has something to lose. */
const full: Checkpoint = {
  subscription: 'audit',
  topic: 'orders.v1',
  partition: 3,
  nextOffset: 9223372036854775806n,
  endOffset: 9223372036854775807n,
  lease: { owner: 'run-1', expiresAtMs: 1_795_000_000_123 },
  epoch: 7,
  retry: { failures: 2, atMs: 1_795_000_000_456, error: 'answered 503: "später"' },
  gaps: [{ fromOffset: 0n, toOffset: 9007199254740993n, atMs: 1_795_000_000_000, cause: 'empty' }],
};

/** What every checkpoint store promises; `makeStore` gives an empty one. */
export function describeCheckpointStore(name: string, makeStore: () => Promise<CheckpointStore>): void {
  test(`${name}: nothing is listed before anything is stored`, async () => {
    const store = await makeStore();
    assert.deepEqual(await store.list('audit'), []);
  });

  test(`${name}: a checkpoint comes back as it was stored`, async () => {
    const store = await makeStore();
    const created = await store.create(full);
    assert.deepEqual(created?.checkpoint, full);
    assert.deepEqual(await store.list('audit'), [created]);

    const free: Checkpoint = { ...full, lease: null, retry: null, gaps: [] };
    const replaced = await store.replace(free, created?.version ?? '');
    assert.deepEqual(await store.list('audit'), [replaced]);
    assert.deepEqual(replaced?.checkpoint, free);
  });

  test(`${name}: a checkpoint is created once`, async () => {
    const store = await makeStore();
    const outcomes = await Promise.all([store.create(full), store.create(full), store.create(full)]);
    assert.equal(outcomes.filter((outcome) => outcome !== undefined).length, 1);
  });

  test(`${name}: of two writers with the same version one wins, and the other is told`, async () => {
    const store = await makeStore();
    const created = await store.create(full);
    assert.ok(created);
    const [one, two] = await Promise.all([
      store.replace({ ...full, epoch: 8 }, created.version),
      store.replace({ ...full, epoch: 9 }, created.version),
    ]);
    const winner = one ?? two;
    assert.equal([one, two].filter((outcome) => outcome !== undefined).length, 1);
    assert.deepEqual(await store.list('audit'), [winner]);
    assert.equal(await store.replace(full, created.version), undefined, 'an old version stays refused');
  });

  test(`${name}: a checkpoint that was never created cannot be replaced`, async () => {
    const store = await makeStore();
    const created = await store.create(full);
    assert.equal(await store.replace({ ...full, partition: 4 }, created?.version ?? ''), undefined);
  });

  test(`${name}: subscriptions, topics and partitions are kept apart`, async () => {
    const store = await makeStore();
    const places = [
      { subscription: 'audit', topic: 'a', partition: 0 },
      { subscription: 'audit', topic: 'a', partition: 1 },
      { subscription: 'audit', topic: 'a.1', partition: 0 },
      { subscription: 'audit-2', topic: 'a', partition: 0 },
    ];
    for (const place of places) await store.create(begin(place, { nextOffset: 0n, endOffset: 0n }));
    const listed = await store.list('audit');
    const names = listed.map(({ checkpoint }) => `${checkpoint.topic}:${checkpoint.partition}`);
    assert.deepEqual(names.sort(), ['a.1:0', 'a:0', 'a:1']);
    assert.equal((await store.list('audit-2')).length, 1);
  });
}
