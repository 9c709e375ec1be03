import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { TableClient } from '@azure/data-tables';
import fc from 'fast-check';
import { type RunningAzurite, startAzuriteTables } from '../../local/azurite.ts';
import type { ParkedPartition, ParkedRecord } from '../../src/drain/ports.ts';
import { Secret } from '../../src/shared/secret.ts';
import { createMemoryParkedStore } from '../../src/storage/memory/parked.ts';
import { StorageError } from '../../src/storage/storage-error.ts';
import { openTable } from '../../src/storage/table/open-table.ts';
import { createTableParkedStore } from '../../src/storage/table/parked.ts';
import { describeParkedStore } from './parked-store.ts';

const place = { subscription: 'audit', topic: 'orders', partition: 3 };

let azurite: RunningAzurite;
let tables = 0;

before(async () => {
  azurite = await startAzuriteTables({ port: 0 });
});
after(() => azurite.stop());

describeParkedStore('memory', async () => createMemoryParkedStore(), { runs: 200 });
describeParkedStore('table', async () => createTableParkedStore(await newTable(), randomUUID()), {
  runs: 15,
});

function newTable(): Promise<TableClient> {
  tables += 1;
  return openTable(
    { connectionString: new Secret(azurite.connectionString), tablePrefix: 'test' },
    `parked${tables}`,
  );
}

function parked(offset: bigint, bytes = 10): ParkedRecord {
  const value = randomBytes(bytes).toString('base64');
  const record = { topic: 'orders', partition: 3, offset, key: 'k', value, timestampMs: 1n };
  return { record, failures: 1, nextAttemptMs: 5, attempts: [] };
}

const put = (record: ParkedRecord) => ({ kind: 'put', parked: record }) as const;
const remove = (offset: bigint) => ({ kind: 'remove', offset }) as const;

async function rowKeysOf(table: TableClient): Promise<(string | undefined)[]> {
  const rows = [];
  for await (const { rowKey } of table.listEntities()) rows.push(rowKey);
  return rows;
}

/** Sends each transaction twice, as the client does when the first answer is lost. */
function loseAnswers(table: TableClient): void {
  const submit = table.submitTransaction.bind(table);
  table.submitTransaction = async (actions, options) => {
    await submit(actions, options);
    return submit(actions, options);
  };
}

/** Makes every transaction after the first `passed` fail without an answer, until what it gives is called. */
function breakAfter(table: TableClient, passed: number, request: 'arrives' | 'is lost'): () => void {
  const submit = table.submitTransaction.bind(table);
  let calls = 0;
  table.submitTransaction = async (actions, options) => {
    calls += 1;
    if (calls <= passed) return submit(actions, options);
    if (request === 'arrives') await submit(actions, options);
    throw new Error('no answer');
  };
  return () => {
    table.submitTransaction = submit;
  };
}

test('table: a write that is repeated because its answer was lost has taken place', async () => {
  const table = await newTable();
  const store = createTableParkedStore(table, randomUUID());
  const partition = await store.open(place, 1);
  loseAnswers(table);
  const large = parked(2n, 2_500_000);
  assert.equal(await partition.write([put(parked(1n)), put(large)]), true);
  assert.equal(await partition.write([remove(1n), put(parked(3n))]), true);
  assert.deepEqual(await partition.read(2n), large);
  assert.equal(await partition.write([remove(2n), remove(3n)]), true);
  assert.deepEqual(await rowKeysOf(table), ['fence'], 'and nothing but the fence is left');
});

test('table: an opening that is repeated because its answer was lost has taken place', async () => {
  const table = await newTable();
  const store = createTableParkedStore(table, randomUUID());
  const create = table.createEntity.bind(table);
  table.createEntity = async (entity, options) => {
    await create(entity, options);
    return create(entity, options);
  };
  const first = await store.open(place, 1);
  assert.equal(await first.write([put(parked(1n))]), true);
  const update = table.updateEntity.bind(table);
  table.updateEntity = async (...args) => {
    await update(...args);
    return update(...args);
  };
  const second = await store.open(place, 1);
  assert.deepEqual([await first.write([]), await second.write([])], [false, true]);
});

test('table: after a write of which nobody knows whether it took place the next one finds out', async () => {
  for (const outcome of ['arrives', 'is lost'] as const) {
    const table = await newTable();
    const store = createTableParkedStore(table, randomUUID());
    const partition = await store.open(place, 1);
    await partition.write([put(parked(1n, 2_500_000))]);
    const mend = breakAfter(table, 0, outcome);
    await assert.rejects(partition.write([remove(1n), put(parked(2n))]), StorageError);
    mend();
    assert.equal(await partition.write([remove(1n), put(parked(3n))]), true);
    const { entries } = await store.open(place, 1);
    assert.deepEqual(
      entries.map(({ offset }) => offset),
      outcome === 'arrives' ? [2n, 3n] : [3n],
    );
  }
});

test('table: a write that was given up and arrives late harms neither its holder nor the next one', async () => {
  const table = await newTable();
  const store = createTableParkedStore(table, randomUUID());
  const partition = await store.open(place, 1);
  const submit = table.submitTransaction.bind(table);
  const late: (() => Promise<unknown>)[] = [];
  const giveUp = async (offset: bigint) => {
    table.submitTransaction = async (actions, options) => {
      late.push(() => submit(actions, options));
      throw new Error('no answer');
    };
    await assert.rejects(partition.write([put(parked(offset))]), StorageError);
    table.submitTransaction = submit;
  };

  await giveUp(1n);
  table.submitTransaction = async (actions, options) => {
    table.submitTransaction = submit;
    await late[0]?.();
    return submit(actions, options);
  };
  assert.equal(await partition.write([remove(1n), put(parked(2n))]), true);
  await giveUp(3n);
  const next = await store.open(place, 1);
  await assert.rejects(async () => late[1]?.());
  assert.deepEqual(
    next.entries.map(({ offset }) => offset),
    [2n],
  );
  assert.equal(await partition.write([]), false);
  assert.equal(await next.write([remove(2n)]), true);
  assert.deepEqual(await rowKeysOf(table), ['fence']);
});

test('table: what a crash between two transactions leaves behind is no record, and goes with the next write', async () => {
  const table = await newTable();
  const store = createTableParkedStore(table, randomUUID());
  const large = parked(1n, 5_000_000);
  const first = await store.open(place, 1);
  let mend = breakAfter(table, 1, 'is lost');
  await assert.rejects(first.write([put(large)]), StorageError);
  mend();
  assert.ok((await rowKeysOf(table)).length > 1, 'some of its rows are there');
  const second = await store.open(place, 1);
  assert.deepEqual(second.entries, []);
  assert.equal(await second.write([]), true);
  assert.deepEqual(await rowKeysOf(table), ['fence']);

  assert.equal(await second.write([put(large)]), true);
  mend = breakAfter(table, 1, 'is lost');
  await assert.rejects(second.write([put(parked(1n, 6_000_000))]), StorageError);
  mend();
  const third = await store.open(place, 1);
  assert.deepEqual(await third.read(1n), large, 'the record that was to be replaced is whole');
  assert.equal(await third.write([remove(1n)]), true);
  assert.deepEqual(await rowKeysOf(table), ['fence']);
});

/** What becomes of a transaction: its answer or its request is lost, or it comes once the client has given it up. */
const faults = ['none', 'repeated', 'answer lost', 'request lost', 'late'] as const;

/** A table whose next transactions meet `fault`; a late one comes ahead of the one that follows. */
function makeFaulty(table: TableClient) {
  const submit = table.submitTransaction.bind(table);
  const state: { fault: (typeof faults)[number]; late: (() => Promise<unknown>)[] } = {
    fault: 'none',
    late: [],
  };
  table.submitTransaction = async (actions, options) => {
    const { fault } = state;
    for (const arrive of state.late.splice(0)) await arrive().catch(() => 'refused');
    if (fault === 'late') state.late.push(() => submit(actions, options));
    if (fault === 'request lost' || fault === 'late') throw new Error('no answer');
    const answer = await submit(actions, options);
    if (fault === 'answer lost') throw new Error('no answer');
    return fault === 'repeated' ? submit(actions, options) : answer;
  };
  return state;
}

test('table: whatever happens to requests and answers, what was confirmed is there and what was refused is not', async () => {
  const step = fc.record({
    who: fc.nat(1),
    fault: fc.constantFrom(...faults),
    // Undefined: opens.
    change: fc.option(fc.record({ offset: fc.bigInt(0n, 1n), removes: fc.boolean() }), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 20 }), async (steps) => {
      const table = await newTable();
      const wire = makeFaulty(table);
      const store = createTableParkedStore(table, randomUUID());
      const opened = new Map<number, ParkedPartition>();
      let holder: number | undefined;
      /** What may be there of each offset: how often it failed, or undefined. */
      const possible = new Map<bigint, Set<number | undefined>>(
        [0n, 1n].map((offset) => [offset, new Set([undefined])]),
      );

      const open = async (who: number) => {
        const partition = await store.open(place, 1);
        opened.set(who, partition);
        holder = who;
        for (const [offset, values] of possible) {
          const found = partition.entries.find((entry) => entry.offset === offset)?.failures;
          assert.ok(values.has(found), `${offset}: ${found} is none of ${[...values]}`);
          possible.set(offset, new Set([found]));
        }
      };

      for (const [index, { who, fault, change }] of steps.entries()) {
        const partition = opened.get(who);
        if (partition === undefined || change === undefined) {
          await open(who);
          continue;
        }
        const { offset, removes } = change;
        const failures = removes ? undefined : index;
        wire.fault = fault;
        const written = await partition
          .write([removes ? remove(offset) : put({ ...parked(offset), failures: index })])
          .catch((error: unknown) => {
            assert.ok(error instanceof StorageError);
            return undefined;
          });
        wire.fault = 'none';
        if (written !== undefined) assert.equal(written, who === holder);
        if (written === true) possible.set(offset, new Set([failures]));
        if (written === undefined && who === holder) possible.get(offset)?.add(failures);
      }
      await open(0);
      assert.equal(await opened.get(0)?.write([]), true);
      await open(1);
    }),
    { numRuns: 25 },
  );
});

test('table: a table that is deleted has no holder', async () => {
  const table = await newTable();
  const store = createTableParkedStore(table, randomUUID());
  const partition = await store.open(place, 1);
  await table.deleteTable();
  assert.equal(await partition.write([put(parked(1n))]), false);
  assert.equal(await partition.read(1n), undefined);
  assert.equal(await (await store.open(place, 1)).write([put(parked(1n))]), true);
});

test('table: a row that nobody can read is named', async () => {
  const table = await newTable();
  const store = createTableParkedStore(table, randomUUID());
  await store.open(place, 1);
  await table.createEntity({ partitionKey: 'audit:orders:3', rowKey: '0000000000000000007', failures: 'x' });
  await assert.rejects(store.open(place, 1), {
    code: 'storage.unreadable',
    message: /the entity audit:orders:3 \/ 0000000000000000007 of the table/,
  });
  await table.upsertEntity({ partitionKey: 'audit:orders:3', rowKey: 'fence', writes: 'x' }, 'Merge');
  await assert.rejects(store.open(place, 1), {
    code: 'storage.unreadable',
    message: /the entity audit:orders:3 \/ fence of the table/,
  });
});

test('table: an account that is away is told of', async () => {
  const table = await newTable();
  const store = createTableParkedStore(table, randomUUID());
  const partition = await store.open(place, 1);
  table.pipeline.addPolicy({
    name: 'away',
    sendRequest: async () => {
      throw new Error('ECONNREFUSED');
    },
  });
  const unavailable = { code: 'storage.unavailable', retryable: true };
  await assert.rejects(partition.write([put(parked(1n))]), unavailable);
  await assert.rejects(partition.write([put(parked(1n))]), unavailable);
  await assert.rejects(partition.read(1n), unavailable);
  await assert.rejects(store.open(place, 1), unavailable);
});
