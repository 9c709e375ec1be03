import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
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
import { describeDeadLetterStore } from './dead-letter-store.ts';
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

test('table outbox: an answer that does not confirm every batch is no success', async () => {
  const table = await newTable();
  table.submitTransaction = async () => ({
    status: 202,
    subResponses: [{ status: 500 }],
    getResponseForEntity: () => undefined,
  });
  await assert.rejects(createTableOutbox(table, randomUUID()).add('orders', [{ value: 1 }], 1), StorageError);
});
