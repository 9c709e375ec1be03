import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { TableClient } from '@azure/data-tables';
import { type RunningAzurite, startAzuriteTables } from '../../local/azurite.ts';
import { begin, claim } from '../../src/drain/checkpoint.ts';
import { activeEndpoint } from '../../src/drain/endpoint-state.ts';
import { createMemoryCheckpointStore } from '../../src/storage/memory/checkpoint-store.ts';
import { createTableCheckpointStore } from '../../src/storage/table/checkpoint-store.ts';
import { listRows } from '../../src/storage/table/rows.ts';
import { describeCheckpointStore } from './checkpoint-store.ts';

let azurite: RunningAzurite;
let tables = 0;

before(async () => {
  azurite = await startAzuriteTables({ port: 0 });
});
after(() => azurite.stop());

describeCheckpointStore('memory', async () => createMemoryCheckpointStore());

describeCheckpointStore('table', async () => createTableCheckpointStore(newTable()));

function newTable(): TableClient {
  tables += 1;
  const options = { allowInsecureConnection: true };
  return TableClient.fromConnectionString(azurite.connectionString, `checkpoints${tables}`, options);
}

test('table: a row that nobody can read is named', async () => {
  const table = newTable();
  await table.createTable();
  await table.createEntity({ partitionKey: 'audit', rowKey: 'endpoint', state: 'asleep' });
  const store = createTableCheckpointStore(table);
  const unreadable = { code: 'storage.unreadable', message: /the entity audit \/ endpoint of the table/ };
  await assert.rejects(store.list('audit'), unreadable);
  await assert.rejects(store.readEndpoint('audit'), unreadable);
});

test('table: where a subscription stands is one query', async () => {
  const table = newTable();
  const store = createTableCheckpointStore(table);
  await store.create(
    begin({ subscription: 'audit', topic: 'a', partition: 0 }, { nextOffset: 0n, endOffset: 0n }),
  );
  await store.createEndpoint(activeEndpoint('audit', 1));
  let requests = 0;
  table.pipeline.addPolicy({
    name: 'count',
    sendRequest: (request, next) => {
      requests += 1;
      return next(request);
    },
  });
  const { checkpoints, endpoint } = await store.list('audit');
  assert.deepEqual([checkpoints.length, endpoint?.endpoint.state, requests], [1, 'active', 1]);
});

test('table: a holder whose write is repeated because its answer was lost has written', async () => {
  const table = newTable();
  const store = createTableCheckpointStore(table);
  const place = { subscription: 'audit', topic: 'a', partition: 0 };
  const created = await store.create(begin(place, { nextOffset: 0n, endOffset: 9n }));
  assert.ok(created);
  const update = table.updateEntity.bind(table);
  table.updateEntity = async (...args) => {
    await update(...args);
    return update(...args);
  };
  const error = { failures: 1, atMs: 5, error: 'answered 503', attempts: [] };
  const held = { ...claim(created.checkpoint, { owner: 'run-1', expiresAtMs: 10 }, 1), retry: error };
  const written = await store.replace(held, created.version);
  assert.deepEqual(await store.read(place), written);
  assert.deepEqual(written?.checkpoint, held);

  table.updateEntity = update;
  const other = { ...held, lease: { owner: 'run-2', expiresAtMs: 10 } };
  assert.equal(await store.replace(other, created.version), undefined, 'another holder is refused');
  assert.ok(await store.replace({ ...held, nextOffset: 1n }, written?.version ?? ''));
});

test('table: a property that is selected and missing may be told as null', async () => {
  const rows = [{ partitionKey: 'audit', rowKey: 'endpoint', etag: '1', state: null }];
  const table = Object.assign(newTable(), { listEntities: () => ({ byPage: () => Readable.from([rows]) }) });
  const [row] = await listRows(table, '', { select: ['PartitionKey', 'RowKey', 'state'] });
  assert.deepEqual(row, { partitionKey: 'audit', rowKey: 'endpoint', etag: '1' });
});
