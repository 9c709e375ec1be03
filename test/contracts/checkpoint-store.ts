import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { begin, type Checkpoint, finishedMax, gapsMax } from '../../src/drain/checkpoint.ts';
import { activeEndpoint, breakEndpoint } from '../../src/drain/endpoint-state.ts';
import type { CheckpointStore } from '../../src/drain/ports.ts';

/** A checkpoint in which every field has something to lose. */
const full: Checkpoint = {
  subscription: 'audit',
  topic: 'orders.v1',
  partition: 3,
  nextOffset: 9223372036854770000n,
  endOffset: 9223372036854775807n,
  lease: { owner: 'run-1', expiresAtMs: 1_795_000_000_123 },
  epoch: 7,
  finished: [
    { fromOffset: 9223372036854770001n, toOffset: 9223372036854770002n },
    { fromOffset: 9223372036854770010n, toOffset: 9223372036854775807n },
  ],
  retry: {
    failures: 2,
    atMs: 1_795_000_000_456,
    error: 'answered 503: "später"',
    attempts: [
      { atMs: 1_795_000_000_111, latencyMs: 12.5, status: 503, answer: '"größer\u0000\ud800"' },
      { atMs: 1_795_000_000_222, latencyMs: 15_000, status: null, answer: 'no answer within 15000 ms' },
    ],
  },
  parked: { count: 3, nextAttemptMs: 1_795_000_000_789.25 },
  loss: { cause: 'recreated', sinceMs: 1_795_000_000_321, halted: true },
  gaps: (['retention', 'empty', 'recreated', 'gone'] as const).map((cause) => ({
    ...{ fromOffset: 0n, toOffset: 9007199254740993n, atMs: 1_795_000_000_000 },
    cause,
  })),
};

const place = { subscription: 'audit', topic: 'orders.v1', partition: 3 };

async function listed(store: CheckpointStore, subscription: string) {
  return (await store.list(subscription)).checkpoints;
}

/** What every checkpoint store promises; `makeStore` gives an empty one. */
export function describeCheckpointStore(name: string, makeStore: () => Promise<CheckpointStore>): void {
  test(`${name}: nothing is listed before anything is stored`, async () => {
    const store = await makeStore();
    assert.deepEqual(await store.list('audit'), { checkpoints: [], endpoint: undefined });
    assert.equal(await store.read(place), undefined);
    assert.equal(await store.readEndpoint('audit'), undefined);
  });

  test(`${name}: a checkpoint comes back as it was stored`, async () => {
    const store = await makeStore();
    const created = await store.create(full);
    assert.deepEqual(created?.checkpoint, full);
    assert.deepEqual(await listed(store, 'audit'), [created]);

    assert.deepEqual(await store.read(place), created);

    const nothing = {
      lease: null,
      retry: null,
      gaps: [],
      finished: [],
      parked: { count: 0, nextAttemptMs: 0 },
    };
    const free: Checkpoint = { ...full, ...nothing };
    const replaced = await store.replace(free, created?.version ?? '');
    assert.deepEqual(await listed(store, 'audit'), [replaced]);
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
    assert.deepEqual(await listed(store, 'audit'), [winner]);
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
    for (const each of places) await store.create(begin(each, { nextOffset: 0n, endOffset: 0n }));
    const found = await listed(store, 'audit');
    const names = found.map(({ checkpoint }) => `${checkpoint.topic}:${checkpoint.partition}`);
    assert.deepEqual(names.sort(), ['a.1:0', 'a:0', 'a:1']);
    assert.equal((await listed(store, 'audit-2')).length, 1);
  });

  test(`${name}: a checkpoint at all its bounds comes back as it was stored`, async () => {
    const store = await makeStore();
    const far = 36_000_000_000_000_000n;
    const ranges = Array.from({ length: finishedMax }, (_, index) => ({
      fromOffset: BigInt(index + 1) * far - 1_000n,
      toOffset: BigInt(index + 1) * far,
    }));
    const noise = () => randomBytes(1_000).toString('latin1');
    const attempts = Array.from({ length: 20 }, (_, index) => ({
      ...{ atMs: index, latencyMs: index, status: 500 },
      answer: index % 2 === 0 ? noise() : '\u0000'.repeat(1_000),
    }));
    const gap = { fromOffset: far, toOffset: far + 1n, atMs: 1_795_000_000_000, cause: 'retention' } as const;
    const stuffed: Checkpoint = {
      ...full,
      nextOffset: 0n,
      finished: ranges,
      retry: { failures: 20, atMs: 1, error: 'e'.repeat(1_000), attempts },
      gaps: Array.from({ length: gapsMax }, () => gap),
    };
    const created = await store.create(stuffed);
    assert.ok(created);
    assert.deepEqual((await store.read(place))?.checkpoint, stuffed);
    const replaced = await store.replace({ ...stuffed, retry: null }, created.version);
    assert.deepEqual(await store.read(place), replaced);
  });

  test(`${name}: an endpoint's state comes back as it was stored, beside the checkpoints`, async () => {
    const store = await makeStore();
    const created = await store.createEndpoint(activeEndpoint('audit', 1_795_000_000_123));
    assert.ok(created);
    assert.deepEqual(await store.readEndpoint('audit'), created);
    const checkpoint = await store.create(full);
    assert.deepEqual(await store.list('audit'), { checkpoints: [checkpoint], endpoint: created });

    const why = 'a quarter of the attempts were answered "503", größer';
    const times = { nowMs: 1_795_000_000_456, probeAtMs: 1_795_000_030_456.5 };
    const broken = breakEndpoint(created.endpoint, { why, ...times });
    const replaced = await store.replaceEndpoint(broken, created.version);
    assert.deepEqual(replaced?.endpoint, broken);
    assert.deepEqual((await store.list('audit')).endpoint, replaced);
    assert.equal(await store.readEndpoint('audit-2'), undefined);
    assert.equal((await store.list('audit-2')).endpoint, undefined);
  });

  test(`${name}: of many who change an endpoint's state one wins, and the others are told`, async () => {
    const store = await makeStore();
    const active = activeEndpoint('audit', 1);
    const made = await Promise.all([1, 2, 3, 4, 5].map(() => store.createEndpoint(active)));
    const [created, ...more] = made.filter((outcome) => outcome !== undefined);
    assert.ok(created);
    assert.equal(more.length, 0);
    const changed = await Promise.all(
      [1, 2, 3, 4, 5].map((openings) => store.replaceEndpoint({ ...active, openings }, created.version)),
    );
    const winners = changed.filter((outcome) => outcome !== undefined);
    assert.equal(winners.length, 1);
    assert.deepEqual(await store.readEndpoint('audit'), winners[0]);
    assert.equal(
      await store.replaceEndpoint(active, created.version),
      undefined,
      'an old version stays refused',
    );
    assert.equal(
      await store.replaceEndpoint({ ...active, subscription: 'audit-2' }, created.version),
      undefined,
    );
  });
}
