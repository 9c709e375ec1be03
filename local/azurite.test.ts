import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type RestError, TableClient } from '@azure/data-tables';
import { QueueClient } from '@azure/storage-queue';
import { type RunningAzurite, startAzurite, startAzuriteTables } from './azurite.ts';

async function temporaryDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-azurite-'));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
}

function tableOf(azurite: RunningAzurite): TableClient {
  return TableClient.fromConnectionString(azurite.connectionString, 'checkpoints', {
    allowInsecureConnection: true,
    retryOptions: { maxRetries: 0 },
  });
}

test('what was written is still there after a restart on the same port and folder', async (t) => {
  const dir = await temporaryDir(t);
  const first = await startAzuriteTables({ dir, port: 0 });
  const table = tableOf(first);
  await table.createTable();
  await table.createEntity({ partitionKey: 'orders', rowKey: '0', nextOffset: '7' });
  await first.stop();

  const second = await startAzuriteTables({ dir, port: first.port });
  t.after(() => second.stop());
  assert.notEqual(second.pid, first.pid);
  assert.equal(second.connectionString, first.connectionString);
  assert.equal((await table.getEntity('orders', '0')).nextOffset, '7');
});

test('one account has tables and queues, and both keep what they hold through a restart', async (t) => {
  const dir = await temporaryDir(t);
  const queueOf = (connectionString: string) => new QueueClient(connectionString, 'work');
  const first = await startAzurite({ dir, ports: { tables: 0, queues: 0 } });
  const { connectionString } = first;
  const table = TableClient.fromConnectionString(connectionString, 'work', { allowInsecureConnection: true });
  await table.createTable();
  await table.createEntity({ partitionKey: 'orders', rowKey: '0' });
  await queueOf(connectionString).create();
  await queueOf(connectionString).sendMessage('b3JkZXJz');
  await first.stop();

  const second = await startAzurite({
    dir,
    ports: { tables: first.tables.port, queues: first.queues.port },
  });
  t.after(() => second.stop());
  assert.equal(second.connectionString, connectionString);
  assert.equal((await table.getEntity('orders', '0')).rowKey, '0');
  const { receivedMessageItems } = await queueOf(connectionString).receiveMessages();
  assert.deepEqual(
    receivedMessageItems.map(({ messageText }) => messageText),
    ['b3JkZXJz'],
  );
});

test('a queue port that is taken stops the tables again', async (t) => {
  const squatter = createServer();
  await once(squatter.listen(0, '127.0.0.1'), 'listening');
  t.after(() => squatter.close());
  const { port: queues } = squatter.address() as AddressInfo;
  const free = createServer();
  await once(free.listen(0, '127.0.0.1'), 'listening');
  const { port: tables } = free.address() as AddressInfo;
  free.close();
  await once(free, 'close');

  await assert.rejects(startAzurite({ ports: { tables, queues } }), {
    code: 'local.azurite',
    message: /azurite-queue ended with exit code 1/,
  });
  const again = createServer();
  await once(again.listen(tables, '127.0.0.1'), 'listening');
  again.close();
});

test('a write that names an outdated version is refused with 412', async (t) => {
  const azurite = await startAzuriteTables({ port: 0 });
  t.after(() => azurite.stop());
  const table = tableOf(azurite);
  await table.createTable();
  const entity = { partitionKey: 'orders', rowKey: '0' };
  const { etag } = await table.createEntity({ ...entity, nextOffset: '1' });
  assert.ok(etag);
  await table.updateEntity({ ...entity, nextOffset: '2' }, 'Replace', { etag });

  await assert.rejects(
    table.updateEntity({ ...entity, nextOffset: '1' }, 'Replace', { etag }),
    (error: RestError) => error.statusCode === 412,
  );
  assert.equal((await table.getEntity('orders', '0')).nextOffset, '2');
});

test('a port that is taken is reported with what the service printed', async (t) => {
  const squatter = createServer();
  await once(squatter.listen(0, '127.0.0.1'), 'listening');
  t.after(() => squatter.close());
  const { port } = squatter.address() as AddressInfo;

  await assert.rejects(startAzuriteTables({ port }), {
    code: 'local.azurite',
    message: /azurite-table ended with exit code 1 before it listened; it printed:[\s\S]*EADDRINUSE/,
  });
});

test('stopping or killing twice does no harm', async () => {
  const azurite = await startAzuriteTables({ port: 0 });
  await azurite.kill();
  await azurite.kill();
  await azurite.stop();
});

// Azurite itself leaves an idle connection open for far longer than this test may take.
test('it ends when the process that started it is killed', { timeout: 10_000 }, async (t) => {
  const parent = spawn(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import { startAzuriteTables } from ${JSON.stringify(import.meta.resolve('./azurite.ts'))};
       console.log((await startAzuriteTables({ port: 0 })).port);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.after(() => parent.kill('SIGKILL'));
  const [port] = await once(parent.stdout.setEncoding('utf8'), 'data');
  const connection = connect(Number(port), '127.0.0.1');
  t.after(() => connection.destroy());
  await once(connection, 'connect');

  parent.kill('SIGKILL');

  connection.resume();
  await once(connection, 'close');
});
