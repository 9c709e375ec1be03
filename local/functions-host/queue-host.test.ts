import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { QueueClient } from '@azure/storage-queue';
import { startAzuriteQueues } from '../azurite.ts';
import { startTestHost } from './test-host.ts';

const azurite = await startAzuriteQueues({ port: 0 });
after(() => azurite.stop());
const { host, lines, nextLine, close } = await startTestHost({
  scriptRoot: join(import.meta.dirname, 'fixtures', 'queue-app'),
  env: { AzureWebJobsStorage: azurite.connectionString, NOTES: azurite.connectionString, TEAM: 'blue' },
});
after(close);

const plan = (body: unknown) => fetch(`${host.url}/api/plan`, { method: 'POST', body: JSON.stringify(body) });

async function seen(): Promise<{ item: unknown; metadata: Record<string, unknown> }[]> {
  return JSON.parse(await (await fetch(`${host.url}/api/seen`)).text());
}

test('what a function gives to a queue starts the function of that queue', async () => {
  assert.match(lines.join('\n'), /\twork: queueTrigger\n/);
  const worked = nextLine(/Executed 'Functions.work' \(Succeeded/);
  const answer = await plan({ items: [{ topic: 'orders' }], note: 'one item' });
  assert.equal(answer.status, 202);
  await worked;

  const [first] = await seen();
  assert.deepEqual(first?.item, { topic: 'orders' });
  const { id, dequeueCount, insertionTime, expirationTime, nextVisibleTime, popReceipt, queueTrigger } =
    first?.metadata ?? {};
  assert.deepEqual(queueTrigger, { topic: 'orders' });
  assert.match(String(id), /^[0-9a-f-]{36}$/);
  assert.equal(dequeueCount, 1);
  assert.equal(typeof popReceipt, 'string');
  for (const time of [insertionTime, expirationTime, nextVisibleTime])
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/);
  assert.match(
    lines.join('\n'),
    /Reason='New queue message detected on 'blue-work'\.'.*\n.*Trigger Details: MessageId: .*, DequeueCount: 1/,
  );
  const notes = await new QueueClient(azurite.connectionString, 'notes').peekMessages();
  assert.equal(Buffer.from(notes.peekedMessageItems[0]?.messageText ?? '', 'base64').toString(), 'one item');
});

test('a returned array is one message an element', async () => {
  const before = (await seen()).length;
  const result = await host.invoke('split', JSON.stringify({ items: ['a', 'b'] }));
  assert.ok(result.ok);
  for (;;) {
    const more = nextLine(/Executed 'Functions.work'/);
    if ((await seen()).length === before + 2) break;
    await more;
  }
  const items = (await seen()).slice(before).map(({ item }) => item);
  assert.deepEqual(items.sort(), ['a', 'b']);
});

test('an invocation whose output cannot be written fails, with a reason in the log', async () => {
  const answer = await plan({ items: ['x'.repeat(70_000)], note: null });
  assert.equal(answer.status, 500);
  assert.match(lines.join('\n'), /output ".*" to queue 'blue-work' failed: .*413/);
});

test('a message whose function keeps failing ends in the poison queue, as often as host.json says', async () => {
  const moved = nextLine(/moves to queue 'blue-work-poison'/);
  await plan({ items: [{ fail: true }], note: null });
  await moved;
  const tries = (await seen()).filter(({ item }) => (item as { fail?: boolean }).fail);
  assert.deepEqual(
    tries.map(({ metadata }) => metadata.dequeueCount),
    [1, 2],
  );
});

test('a queue function is run by hand with the text given', async () => {
  const result = await host.invoke('work', '{"by":"hand"}');
  assert.ok(result.ok);
  const last = (await seen()).at(-1);
  assert.deepEqual(last?.item, { by: 'hand' });
  assert.equal(last?.metadata.dequeueCount, 0);
});
