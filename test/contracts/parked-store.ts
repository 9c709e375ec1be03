import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ParkedChange, ParkedPartition, ParkedRecord, ParkedStore } from '../../src/drain/ports.ts';

const place = { subscription: 'audit-2', topic: 'Orders.v1_a-b', partition: 3 };

/** A parked record in which every field has something to lose. */
const full: ParkedRecord = {
  record: {
    topic: place.topic,
    partition: place.partition,
    offset: 9223372036854775807n,
    key: 'k/#?\\\u0000\ud800"größer"',
    value: '{"a":9007199254740993,"b":"\u0000\ud800🚀"}',
    timestampMs: -1n,
  },
  failures: 2,
  nextAttemptMs: 1_795_000_000_123.25,
  attempts: [
    { atMs: 1_795_000_000_111, latencyMs: 12.5, status: 503, answer: '"größer\u0000\ud800"' },
    { atMs: 1_795_000_000_222, latencyMs: 15_000, status: null, answer: 'no answer within 15000 ms' },
  ],
};

function parked(offset: bigint, change: Partial<ParkedRecord['record']> = {}): ParkedRecord {
  return { ...full, record: { ...full.record, offset, ...change } };
}

const put = (record: ParkedRecord): ParkedChange => ({ kind: 'put', parked: record });
const remove = (offset: bigint): ParkedChange => ({ kind: 'remove', offset });
const offsetsOf = ({ entries }: ParkedPartition) => entries.map(({ offset }) => offset);

/** Text that no compression makes smaller than `bytes`. */
function noise(bytes: number): string {
  return randomBytes(bytes).toString('base64');
}

/** What every store of parked records promises; `makeStore` gives an empty one. */
export function describeParkedStore(
  name: string,
  makeStore: () => Promise<ParkedStore>,
  { runs }: { runs: number },
): void {
  test(`${name}: nothing is parked before anything is written`, async () => {
    const partition = await (await makeStore()).open(place, 1);
    assert.deepEqual(partition.entries, []);
    assert.equal(await partition.read(0n), undefined);
    assert.equal(await partition.write([]), true);
    assert.equal(await partition.write([remove(1n)]), true, 'and nothing can be removed');
  });

  test(`${name}: a parked record comes back as it was, and is listed without its value and attempts`, async () => {
    const store = await makeStore();
    const partition = await store.open(place, 1);
    const records = [full, parked(0n, { key: null, value: null }), parked(7n, { key: '', value: '' })];
    assert.equal(await partition.write(records.map(put)), true);
    const next = await store.open(place, 1);
    const { failures, nextAttemptMs } = full;
    assert.deepEqual(next.entries, [
      { offset: 0n, key: null, failures, nextAttemptMs },
      { offset: 7n, key: '', failures, nextAttemptMs },
      { offset: full.record.offset, key: full.record.key, failures, nextAttemptMs },
    ]);
    for (const record of records) assert.deepEqual(await next.read(record.record.offset), record);
    assert.deepEqual(await partition.read(0n), records[1]);
  });

  test(`${name}: records are listed in the order of their offsets, more of them than one transaction holds`, async () => {
    const store = await makeStore();
    const partition = await store.open(place, 1);
    const offsets = Array.from({ length: 250 }, (_, index) => BigInt(index) * 37n);
    const mixed = offsets.toSorted((one, two) => Number((one % 10n) - (two % 10n)));
    assert.equal(await partition.write(mixed.map((offset) => put(parked(offset)))), true);
    const next = await store.open(place, 1);
    assert.deepEqual(offsetsOf(next), offsets);
    assert.equal(await next.write(mixed.slice(0, 249).map(remove)), true);
    assert.deepEqual(offsetsOf(await store.open(place, 1)), mixed.slice(249));
  });

  test(`${name}: of changes to one record the last one counts`, async () => {
    const store = await makeStore();
    const partition = await store.open(place, 1);
    const twice = { ...full, failures: 5, attempts: [] };
    await partition.write([put(full), put(twice), put(parked(1n)), remove(1n), remove(2n), put(parked(2n))]);
    const next = await store.open(place, 1);
    assert.deepEqual(offsetsOf(next), [2n, full.record.offset]);
    assert.deepEqual(await next.read(full.record.offset), twice);
    await next.write([put({ ...twice, failures: 6 }), remove(2n)]);
    await next.write([remove(2n)]);
    assert.deepEqual(
      (await store.open(place, 1)).entries.map(({ failures }) => failures),
      [6],
    );
  });

  test(`${name}: records, keys and answers of any size are kept to the last character, and go as a whole`, async () => {
    const store = await makeStore();
    const partition = await store.open(place, 1);
    const key = noise(700_000);
    const attempts = Array.from({ length: 20 }, () => ({ ...full.attempts[0], answer: noise(750) }));
    const large = { ...parked(5n, { key, value: noise(2_500_000) }), attempts } as ParkedRecord;
    const longKey = parked(6n, { key: 'k'.repeat(100_000) });
    const others = [1n, 2n, 3n, 4n].map((offset) => parked(offset, { value: noise(900_000) }));
    assert.equal(await partition.write([...others, large, longKey].map(put)), true);

    const next = await store.open(place, 1);
    assert.deepEqual(offsetsOf(next), [1n, 2n, 3n, 4n, 5n, 6n]);
    assert.deepEqual(
      next.entries.slice(4).map((entry) => entry.key),
      [key, longKey.record.key],
    );
    for (const record of [...others, large, longKey]) {
      assert.deepEqual(await next.read(record.record.offset), record);
    }
    const larger = parked(5n, { value: noise(2_600_000) });
    assert.equal(await next.write([put(larger)]), true);
    assert.deepEqual(await next.read(5n), larger);
    assert.equal(await next.write([put(parked(5n)), remove(1n)]), true);
    assert.deepEqual(await next.read(5n), parked(5n));
    assert.equal(await next.write([2n, 3n, 4n, 5n, 6n].map(remove)), true);
    assert.deepEqual((await store.open(place, 1)).entries, []);
  });

  test(`${name}: subscriptions, topics and partitions are kept apart`, async () => {
    const store = await makeStore();
    const places = [
      { subscription: 'audit', topic: 'a', partition: 1 },
      { subscription: 'audit', topic: 'a', partition: 11 },
      { subscription: 'audit', topic: 'a.1', partition: 1 },
      { subscription: 'audit-a', topic: 'a', partition: 1 },
    ];
    const opened = await Promise.all(places.map((each) => store.open(each, 1)));
    const written = await Promise.all(
      opened.map((partition, index) => partition.write([put(parked(BigInt(index)))])),
    );
    assert.deepEqual(written, [true, true, true, true]);
    const again = await Promise.all(places.map((each) => store.open(each, 1)));
    assert.deepEqual(again.map(offsetsOf), [[0n], [1n], [2n], [3n]]);
  });

  test(`${name}: whoever opens a partition under an older lease than somebody else did is shut out`, async () => {
    const store = await makeStore();
    const holder = await store.open(place, 2);
    const stale = await store.open(place, 1);
    assert.equal(await stale.write([put(full)]), false);
    assert.equal(await holder.write([put(parked(1n))]), true, 'and shuts nobody out');
    assert.deepEqual(offsetsOf(await store.open(place, 2)), [1n]);
  });

  test(`${name}: whoever opened a partition that was never parked is refused once somebody else has`, async () => {
    const store = await makeStore();
    const stale = await store.open(place, 1);
    const holder = await store.open(place, 1);
    assert.equal(await stale.write([put(full)]), false);
    assert.equal(await stale.write([]), false);
    assert.equal(await holder.write([put(parked(1n))]), true);
    assert.equal(await stale.write([remove(1n)]), false, 'and stays refused');
    assert.deepEqual(offsetsOf(await store.open(place, 1)), [1n]);
  });

  test(`${name}: of many who open a partition at once one can write`, async () => {
    const store = await makeStore();
    const opened = await Promise.all([1, 2, 3, 4, 5].map(() => store.open(place, 1)));
    const written = await Promise.all(
      opened.map((partition, index) => partition.write([put(parked(BigInt(index)))])),
    );
    assert.equal(written.filter(Boolean).length, 1);
    assert.deepEqual(offsetsOf(await store.open(place, 1)), [BigInt(written.indexOf(true))]);
  });

  test(`${name}: a write under way is seen by whoever opens the partition, or refused`, async () => {
    const store = await makeStore();
    let stale = await store.open(place, 1);
    for (let round = 0n; round < BigInt(runs); round += 1n) {
      const [written, next] = await Promise.all([stale.write([put(parked(round))]), store.open(place, 1)]);
      assert.equal(next.entries.at(-1)?.offset === round, written);
      assert.deepEqual(offsetsOf(await store.open(place, 1)), offsetsOf(next));
      stale = await store.open(place, 1);
    }
  });

  describeInterleavings(name, makeStore, runs);
}

/** Runs any order of openings and writes of several against what a map would hold. */
function describeInterleavings(name: string, makeStore: () => Promise<ParkedStore>, runs: number): void {
  const change = fc.record({ kind: fc.constantFrom('put', 'remove'), offset: fc.bigInt(0n, 3n) });
  const step = fc.record({
    who: fc.nat(2),
    // Undefined: opens.
    changes: fc.option(fc.array(change, { maxLength: 4 }), { nil: undefined }),
  });

  test(`${name}: in any order of openings and writes only the last who opened writes`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        const store = await makeStore();
        const opened = new Map<number, ParkedPartition>();
        const rows = new Map<bigint, ParkedRecord>();
        let holder: number | undefined;
        for (const [index, { who, changes }] of steps.entries()) {
          const partition = opened.get(who);
          if (changes === undefined || partition === undefined) {
            const next = await store.open(place, 1);
            opened.set(who, next);
            holder = who;
            assert.deepEqual(offsetsOf(next), [...rows.keys()].sort());
            continue;
          }
          const made = changes.map(({ kind, offset }) =>
            kind === 'put' ? put({ ...parked(offset), failures: index }) : remove(offset),
          );
          assert.equal(await partition.write(made), who === holder);
          if (who !== holder) continue;
          for (const each of made) {
            if (each.kind === 'put') rows.set(each.parked.record.offset, each.parked);
            else rows.delete(each.offset);
          }
        }
        const last = await store.open(place, 1);
        assert.deepEqual(offsetsOf(last), [...rows.keys()].sort());
        for (const [offset, record] of rows) assert.deepEqual(await last.read(offset), record);
      }),
      { numRuns: runs },
    );
  });
}
