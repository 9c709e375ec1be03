import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { DeadLetter, DeadLetterStore } from '../../src/ingest/outbox-ports.ts';

const letter: DeadLetter = {
  origin: 'ingest:github',
  id: 'delivery/1#?',
  topic: 'orders.v1',
  reason: { code: 'outbox.record-too-large', message: 'record 0 is too large: "größer"' },
  payload: '{"a":9007199254740993,"b":"\u0000\ud800🚀"}',
  atMs: 1_795_000_000_123,
};

/** What every store of dead letters promises; `makeStore` gives an empty one. */
export function describeDeadLetterStore(name: string, makeStore: () => Promise<DeadLetterStore>): void {
  test(`${name}: a store that was never written to has no letters`, async () => {
    const store = await makeStore();
    assert.deepEqual(await store.list(letter.origin, 10), []);
    assert.equal(await store.get(letter.origin, 'none'), undefined);
  });

  test(`${name}: a letter is listed without its payload and comes back whole`, async () => {
    const store = await makeStore();
    await store.add(letter);
    const [entry, ...more] = await store.list(letter.origin, 10);
    assert.ok(entry);
    assert.equal(more.length, 0);
    const { payload: _, ...shown } = letter;
    assert.deepEqual(entry, { ...shown, key: entry.key });
    assert.deepEqual(await store.get(letter.origin, entry.key), letter);
    assert.equal(await store.get('ingest:stripe', entry.key), undefined);
  });

  test(`${name}: letters are listed in the order in which they were added, each origin by itself`, async () => {
    const store = await makeStore();
    const { topic: _, ...noTopic } = letter;
    for (const id of ['1', '2', '3']) await store.add({ ...noTopic, id });
    await store.add({ ...letter, origin: 'ingest:stripe' });
    const listed = await store.list(letter.origin, 10);
    assert.deepEqual(
      listed.map(({ id }) => id),
      ['1', '2', '3'],
    );
    assert.ok(listed.every((entry) => !('topic' in entry)));
    assert.deepEqual(await store.list(letter.origin, 2), listed.slice(0, 2));
  });

  test(`${name}: the same event can die twice`, async () => {
    const store = await makeStore();
    await Promise.all([store.add(letter), store.add(letter)]);
    assert.equal((await store.list(letter.origin, 10)).length, 2);
  });

  test(`${name}: a payload beyond what one entity holds is kept to the last character`, async () => {
    const store = await makeStore();
    const payload = randomBytes(2_500_000).toString('base64');
    await store.add({ ...letter, payload });
    await store.add(letter);
    const listed = await store.list(letter.origin, 10);
    assert.equal(listed.length, 2);
    assert.equal((await store.get(letter.origin, listed[0]?.key ?? ''))?.payload, payload);
  });

  test(`${name}: ids and messages of any length are cut in a list only`, async () => {
    const store = await makeStore();
    const long = { ...letter, id: 'i'.repeat(100_000), reason: { code: 'c', message: 'm'.repeat(100_000) } };
    await store.add(long);
    const [entry] = await store.list(letter.origin, 1);
    assert.equal(entry?.id, 'i'.repeat(1_000));
    assert.equal(entry.reason.message, 'm'.repeat(1_000));
    assert.deepEqual(await store.get(letter.origin, entry.key), long);
  });
}
