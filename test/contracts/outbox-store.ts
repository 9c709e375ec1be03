import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { type OutboxStore, RecordTooLargeError, type StoredBatch } from '../../src/ingest/outbox-ports.ts';
import type { OutgoingRecord } from '../../src/ingest/ports.ts';
import { parseJson } from '../../src/shared/json.ts';

const nowMs = 1_795_000_000_123;

/** A record that no compression makes smaller than `bytes`. */
function bulky(bytes: number, name = 'bulky'): OutgoingRecord {
  return { value: { name, noise: randomBytes(Math.ceil((bytes * 3) / 4)).toString('base64') } };
}

async function only(store: OutboxStore, topic: string): Promise<StoredBatch> {
  const [batch, ...more] = await store.list(topic, 10);
  assert.ok(batch);
  assert.equal(more.length, 0);
  return batch;
}

const valuesOf = (batches: readonly StoredBatch[]) =>
  batches.flatMap(({ records }) => records.map(({ value }) => value));

/** What every outbox promises; `makeStore` gives an empty one. */
export function describeOutboxStore(name: string, makeStore: () => Promise<OutboxStore>): void {
  test(`${name}: an outbox that was never written to is empty`, async () => {
    const store = await makeStore();
    assert.deepEqual(await store.topics(), []);
    assert.equal(await store.hasBacklog('orders'), false);
    assert.deepEqual(await store.list('orders', 10), []);
    assert.equal(await store.readLease('orders'), undefined);
  });

  test(`${name}: records come back as they were added, every digit of their numbers`, async () => {
    const store = await makeStore();
    const value = parseJson(
      '{"total":9007199254740993,"text":"größer \\ud83d\\ude80 \\ud800","list":[null,{}]}',
    );
    const records = [{ value, key: 'k/#?\\', partition: 3 }, { value: null }, { value: '', key: '' }];
    await store.add('orders.v1_a-b', records, nowMs);
    const batch = await only(store, 'orders.v1_a-b');
    assert.equal(JSON.stringify(batch.records), JSON.stringify(records));
    assert.deepEqual(
      [batch.topic, batch.attempts, batch.nextAttemptMs, batch.error],
      ['orders.v1_a-b', 0, 0, ''],
    );
  });

  test(`${name}: batches are listed in the order in which they were added, and on from any of them`, async () => {
    const store = await makeStore();
    for (let index = 0; index < 5; index += 1) {
      // The clock of the third is set back.
      await store.add('orders', [{ value: index }], index === 2 ? nowMs - 60_000 : nowMs + index);
    }
    const first = await store.list('orders', 2);
    assert.deepEqual(valuesOf(first), [0, 1]);
    const rest = await store.list('orders', 10, first[1]?.id);
    assert.deepEqual(valuesOf(rest), [2, 3, 4]);
    assert.deepEqual(await store.list('orders', 10, rest[2]?.id), []);
  });

  test(`${name}: topics are kept apart, and those without a backlog are not named`, async () => {
    const store = await makeStore();
    for (const topic of ['a', 'a.1', 'b']) await store.add(topic, [{ value: topic }], nowMs);
    assert.deepEqual([...(await store.topics())].sort(), ['a', 'a.1', 'b']);
    assert.equal(await store.remove(await only(store, 'a')), true);
    assert.deepEqual([...(await store.topics())].sort(), ['a.1', 'b']);
    assert.deepEqual([await store.hasBacklog('a'), await store.hasBacklog('b')], [false, true]);

    await store.add('a', [{ value: 'again' }], nowMs);
    assert.deepEqual(
      [...(await store.topics())].sort(),
      ['a', 'a.1', 'b'],
      'and named again when they have one',
    );
  });

  test(`${name}: adding nothing makes no backlog`, async () => {
    const store = await makeStore();
    await store.add('orders', [], nowMs);
    assert.deepEqual(await store.topics(), []);
  });

  test(`${name}: records beyond what one batch holds are split, in order, and all are stored`, async () => {
    const store = await makeStore();
    const names = Array.from({ length: 12 }, (_, index) => `n${index}`);
    const records = names.map((name) => bulky(430_000, name));
    await store.add('orders', records, nowMs);
    await store.add('orders', [{ value: { name: 'after' } }], nowMs);
    const batches = await store.list('orders', 100);
    assert.ok(batches.length > 4, 'more than one transaction');
    const listed = valuesOf(batches).map((value) => (value as { name: string }).name);
    assert.deepEqual(listed, [...names, 'after']);
    assert.deepEqual(
      batches.slice(0, -1).flatMap((batch) => batch.records),
      records,
    );
  });

  test(`${name}: a record too large for any batch is refused by its place, and none of its call is stored`, async () => {
    const store = await makeStore();
    await assert.rejects(
      store.add('orders', [{ value: 1 }, bulky(1_400_000), { value: 2 }], nowMs),
      (error) => {
        assert.ok(error instanceof RecordTooLargeError);
        assert.deepEqual([error.code, error.index, error.retryable], ['outbox.record-too-large', 1, false]);
        return true;
      },
    );
    assert.equal(await store.hasBacklog('orders'), false);
  });

  test(`${name}: a batch is replaced by what is left of it, once a version`, async () => {
    const store = await makeStore();
    await store.add('orders', [{ value: 1 }, bulky(800_000), { value: 3 }], nowMs);
    const batch = await only(store, 'orders');
    const changed = { ...batch, attempts: 2, nextAttemptMs: nowMs + 1, error: 'answered 503: "später"' };
    const [one, two] = await Promise.all([
      store.replace({ ...changed, records: batch.records.slice(1) }),
      store.replace({ ...changed, records: batch.records.slice(2) }),
    ]);
    assert.equal([one, two].filter((outcome) => outcome !== undefined).length, 1);
    assert.deepEqual(await only(store, 'orders'), one ?? two);
    assert.equal(await store.replace(changed), undefined, 'an old version stays refused');
    assert.equal(await store.remove(batch), false, 'and removes nothing');
  });

  test(`${name}: a batch is removed once, and nothing brings it back`, async () => {
    const store = await makeStore();
    await store.add('orders', [{ value: 1 }], nowMs);
    const batch = await only(store, 'orders');
    const removed = await Promise.all([store.remove(batch), store.remove(batch)]);
    assert.deepEqual(removed.sort(), [false, true]);
    assert.equal(await store.replace(batch), undefined);
    assert.equal(await store.hasBacklog('orders'), false);
  });

  test(`${name}: a lease begins free, and of two that claim it one is told that it lost`, async () => {
    const store = await makeStore();
    await store.add('orders', [{ value: 1 }], nowMs);
    const free = await store.readLease('orders');
    assert.ok(free);
    assert.deepEqual([free.topic, free.owner, free.expiresAtMs], ['orders', '', 0]);
    const [one, two] = await Promise.all([
      store.replaceLease({ ...free, owner: 'one', expiresAtMs: nowMs }),
      store.replaceLease({ ...free, owner: 'two', expiresAtMs: nowMs }),
    ]);
    const held = one ?? two;
    assert.ok(held);
    assert.equal([one, two].filter((outcome) => outcome !== undefined).length, 1);
    assert.deepEqual(await store.readLease('orders'), held);

    await store.add('orders', [{ value: 2 }], nowMs);
    assert.deepEqual(await store.readLease('orders'), held, 'adding leaves it alone');
    const renewed = await store.replaceLease({ ...held, expiresAtMs: nowMs + 5 });
    assert.equal(renewed?.expiresAtMs, nowMs + 5);
    assert.equal(await store.replaceLease(held), undefined, 'an old version stays refused');
  });
}
