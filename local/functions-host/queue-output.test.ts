import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { QueueClient } from '@azure/storage-queue';
import { startAzuriteQueues } from '../azurite.ts';
import type { RpcTypedData } from './core-types.ts';
import type { AppFunction } from './load-app.ts';
import { createQueueOutputs } from './queue-output.ts';
import { createQueues } from './storage-queue.ts';

const azurite = await startAzuriteQueues({ port: 0 });
after(() => azurite.stop());
const queues = createQueues({ env: { AzureWebJobsStorage: azurite.connectionString } });

/** Writes what a function gives to an output of its, and reads the queue. */
async function write(data: RpcTypedData | null, messageEncoding: 'base64' | 'none' = 'none') {
  const queueName = `q-${randomUUID()}`;
  const fn: AppFunction = {
    name: 'plan',
    metadata: {
      name: 'plan',
      bindings: {
        $return: { type: 'http', direction: 'out' },
        out: { type: 'queue', direction: 'out', queueName },
      },
    },
    callback: () => undefined,
    trigger: { type: 'timerTrigger', direction: 'in' },
    triggerName: 'timer',
    disabled: false,
  };
  const client = new QueueClient(azurite.connectionString, queueName);
  const writeOutputs = createQueueOutputs({ functions: [fn], queues, messageEncoding });
  await writeOutputs(fn, {
    returnValue: { http: { statusCode: '202' } },
    outputData: data === null ? [] : [{ name: 'out', data }],
  });
  if (data === null) return client.exists();
  const { receivedMessageItems } = await client.receiveMessages({ numberOfMessages: 32 });
  return receivedMessageItems.map(({ messageText }) => messageText);
}

test('a text, bytes, a number or an object is one message', async () => {
  assert.deepEqual(await write({ string: 'hello' }), ['hello']);
  assert.deepEqual(await write({ bytes: Buffer.from('bytes') }), ['bytes']);
  assert.deepEqual(await write({ int: 0 }), ['0']);
  assert.deepEqual(await write({ json: '{"a":{"b":1}}' }), ['{\n  "a": {\n    "b": 1\n  }\n}']);
});

test('an array is one message an element, in its order', async () => {
  const json = JSON.stringify(['first', { a: 1 }, 3, true, ['x']]);
  const messages = ['first', '{\n  "a": 1\n}', '3', 'True', '[\n  "x"\n]'];
  assert.deepEqual(await write({ json }), messages);
  assert.deepEqual(await write({ string: ` ${json}\n` }), messages);
  assert.deepEqual(await write({ json: '[]' }).catch(() => 'no queue'), 'no queue');
});

test('messages are in the encoding of host.json', async () => {
  assert.deepEqual(await write({ string: 'é' }, 'base64'), ['w6k=']);
});

test('nothing given, nothing written', async () => {
  assert.equal(await write(null), false);
});

test('a message that cannot be written is an error that names output and queue', async () => {
  await assert.rejects(write({ string: 'x'.repeat(65_537) }), /output "out" to queue 'q-.*' failed/);
  await assert.rejects(write({ string: '{not json}' }), /output "out" to queue 'q-.*' failed: .*JSON/);
});
