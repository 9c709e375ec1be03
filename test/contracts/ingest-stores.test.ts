import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { TableClient } from '@azure/data-tables';
import { type RunningAzurite, startAzuriteTables } from '../../local/azurite.ts';
import { Secret } from '../../src/shared/secret.ts';
import { createMemoryDeadLetters } from '../../src/storage/memory/dead-letters.ts';
import { createMemoryOutbox } from '../../src/storage/memory/outbox.ts';
import { createMemoryReceipts } from '../../src/storage/memory/receipts.ts';
import { StorageError } from '../../src/storage/storage-error.ts';
import { createTableDeadLetters } from '../../src/storage/table/dead-letters.ts';
import { openTable } from '../../src/storage/table/open-table.ts';
import { createTableOutbox } from '../../src/storage/table/outbox.ts';
import { createTableReceipts } from '../../src/storage/table/receipts.ts';
import { claimOf, describeDeadLetterStore } from './dead-letter-store.ts';
import { describeOutboxStore } from './outbox-store.ts';
import { describeReceiptStore } from './receipt-store.ts';

let azurite: RunningAzurite;
let tables = 0;

before(async () => {
  azurite = await startAzuriteTables({ port: 0 });
});
after(() => azurite.stop());

function newTable() {
  tables += 1;
  return openTable(
    { connectionString: new Secret(azurite.connectionString), tablePrefix: 'test' },
    `stores${tables}`,
  );
}

describeOutboxStore('memory outbox', async () => createMemoryOutbox());
describeOutboxStore('table outbox', async () => createTableOutbox(await newTable(), randomUUID()));

describeReceiptStore('memory receipts', async () => createMemoryReceipts());
describeReceiptStore('table receipts', async () => createTableReceipts(await newTable()));

describeDeadLetterStore('memory dead letters', async () => createMemoryDeadLetters());
describeDeadLetterStore('table dead letters', async () =>
  createTableDeadLetters(await newTable(), randomUUID()),
);

test('table outbox: a write that is repeated because its answer was lost is stored once', async () => {
  const table = await newTable();
  const submit = table.submitTransaction.bind(table);
  table.submitTransaction = async (actions, options) => {
    await submit(actions, options);
    return submit(actions, options);
  };
  const store = createTableOutbox(table, randomUUID());
  await store.add('orders', [{ value: 1 }], 1);
  assert.equal((await store.list('orders', 10)).length, 1);
});

test('table outbox: after its table was deleted it refuses once, then knows its topics again', async () => {
  const table = await newTable();
  const store = createTableOutbox(table, randomUUID());
  await store.add('orders', [{ value: 1 }], 1);
  await table.deleteTable();
  await assert.rejects(store.add('orders', [{ value: 2 }], 2), StorageError);
  await store.add('orders', [{ value: 2 }], 2);
  assert.deepEqual(await store.topics(), ['orders']);
});

test('table stores: an account that is away is told of, and nothing counts as stored', async () => {
  const away = azurite.connectionString.replaceAll(`:${azurite.port}/`, ':1/');
  const options = { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } };
  const table = TableClient.fromConnectionString(away, 'away', options);
  const letter = { origin: 'o', id: 'i', reason: { code: 'c', message: 'm' }, payload: 'p', atMs: 1 };
  const receipts = createTableReceipts(table);
  const calls = [
    createTableOutbox(table, randomUUID()).add('orders', [{ value: 1 }], 1),
    createTableOutbox(table, randomUUID()).topics(),
    receipts.find('github', 'e1', 1),
    receipts.save('github', 'e1', { outcome: 1, expiresAtMs: 2 }, 1),
    receipts.sweep(1, 1),
    createTableDeadLetters(table, randomUUID()).add(letter),
  ];
  for (const call of await Promise.allSettled(calls)) {
    assert.ok(call.status === 'rejected' && call.reason instanceof StorageError);
    assert.equal(call.reason.code, 'storage.unavailable');
  }
});

test('table stores: a row that nobody can read is named', async () => {
  const table = await newTable();
  const outbox = createTableOutbox(table, randomUUID());
  await outbox.add('orders', [{ value: 1 }], 1);
  const [batch] = await outbox.list('orders', 1);
  await table.upsertEntity({ partitionKey: 'orders', rowKey: batch?.id ?? '', data0: 'no gzip' }, 'Merge');
  await table.upsertEntity({ partitionKey: ':topics', rowKey: 'orders', owner: 7 }, 'Merge');
  const receipts = createTableReceipts(table);
  await receipts.save('github', 'e1', { outcome: 1, expiresAtMs: 2 }, 1);
  for await (const { partitionKey = '', rowKey = '' } of table.listEntities()) {
    if (partitionKey === 'github')
      await table.upsertEntity({ partitionKey, rowKey, expires: 'soon' }, 'Merge');
  }
  const named = (entity: string) => ({
    code: 'storage.unreadable',
    message: new RegExp(`the entity ${entity}.* of the table .* cannot be read; mend or delete it`),
  });
  await assert.rejects(outbox.list('orders', 1), named(`orders / ${batch?.id}`));
  await assert.rejects(outbox.readLease('orders'), named(':topics / orders'));
  await assert.rejects(receipts.find('github', 'e1', 1), named('github / '));
  await assert.rejects(receipts.save('github', 'e1', { outcome: 2, expiresAtMs: 2 }, 1), named('github / '));
});

test('table outbox: an answer that does not confirm every batch is no success', async () => {
  const table = await newTable();
  table.submitTransaction = async () => ({
    status: 202,
    subResponses: [{ status: 500 }],
    getResponseForEntity: () => undefined,
  });
  await assert.rejects(createTableOutbox(table, randomUUID()).add('orders', [{ value: 1 }], 1), StorageError);
});

test('table dead letters: a write that is repeated because its answer was lost is stored once', async () => {
  const table = await newTable();
  await table.createTable();
  const [create, update] = [table.createEntity.bind(table), table.updateEntity.bind(table)];
  table.createEntity = async (...args) => {
    await create(...args);
    return create(...args);
  };
  table.updateEntity = async (...args) => {
    await update(...args);
    return update(...args);
  };
  const store = createTableDeadLetters(table, randomUUID());
  const payload = randomBytes(2_500_000).toString('base64');
  const large = { origin: 'audit', id: 'i', reason: { code: 'c', message: 'm' }, payload, atMs: 1 };
  await store.add(large, 'orders:3:41');
  await store.add({ ...large, payload: 'small' });
  const [small, first, ...more] = await store.list('audit', { max: 10 });
  assert.deepEqual([first?.key, more], ['orders:3:41', []]);
  assert.deepEqual((await store.get('audit', 'orders:3:41'))?.letter, large);
  const attempts = [{ atMs: 1, latencyMs: 2, status: 503, answer: 'later' }];
  const key = small?.key ?? '';
  const claim = await claimOf(store, 'audit', key);
  assert.equal(await store.settle('audit', key, { claim, state: 'open', attempts }), true);
  const again = await claimOf(store, 'audit', key);
  assert.equal(await store.settle('audit', key, { claim: again, state: 'redriven' }), true);
  assert.deepEqual((await store.get('audit', key))?.letter.attempts, attempts);
});

test('table dead letters: a settlement that is repeated leaves alone who has taken the letter meanwhile', async () => {
  const table = await newTable();
  const [mine, others] = [createTableDeadLetters(table, 'a'), createTableDeadLetters(table, 'b')];
  const letter = { origin: 'audit', id: 'i', reason: { code: 'c', message: 'm' }, payload: 'p', atMs: 1 };
  await mine.add(letter, 'k');
  const claim = await claimOf(mine, 'audit', 'k');
  const update = table.updateEntity.bind(table);
  table.updateEntity = async (...args) => {
    table.updateEntity = update;
    await update(...args);
    assert.equal((await others.claim('audit', 'k', { nowMs: 2, untilMs: 200 })).outcome, 'claimed');
    return update(...args);
  };
  const attempts = [{ atMs: 1, latencyMs: 2, status: 503, answer: 'later' }];
  await mine.settle('audit', 'k', { claim, state: 'open', attempts });
  const third = await mine.claim('audit', 'k', { nowMs: 3, untilMs: 300 });
  assert.deepEqual(third, { outcome: 'busy', untilMs: 200 });
  assert.deepEqual((await mine.get('audit', 'k'))?.letter.attempts, attempts);
});

test('table dead letters: what a crash has left of a large letter harms no other of its key', async () => {
  const table = await newTable();
  const store = createTableDeadLetters(table, randomUUID());
  const create = table.createEntity.bind(table);
  const large = (value: number) => ({
    ...{ origin: 'audit', id: 'i', reason: { code: 'c', message: 'm' }, atMs: 1 },
    payload: randomBytes(2_500_000 + value).toString('base64'),
  });
  table.createEntity = async (entity, options) => {
    if (entity.partitionKey === 'audit') throw new Error('no answer');
    return create(entity, options);
  };
  await assert.rejects(store.add(large(1), 'orders:3:41'), StorageError);
  table.createEntity = create;
  assert.deepEqual(await store.list('audit', { max: 10 }), []);
  assert.deepEqual(await store.origins(), []);
  const other = large(2);
  await store.add(other, 'orders:3:41');
  assert.deepEqual((await store.get('audit', 'orders:3:41'))?.letter, other);
});
