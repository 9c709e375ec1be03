import { systemRandom } from '../../src/shared/clock.ts';
import type { RpcTypedData } from './core-types.ts';
import { doFor } from './host-error.ts';
import { calledByApi, type Invocation } from './invoke.ts';
import type { AppFunction } from './load-app.ts';
import { createQueueListener, type QueueListener } from './queue-listener.ts';
import type { QueueOutcome } from './queue-message.ts';
import type { QueueSettings } from './settings.ts';
import type { HeldMessage, Queues, StorageQueue } from './storage-queue.ts';
import { drainTimeoutMs, type TriggerFactory, type TriggerParts } from './trigger.ts';

/** .NET's `DateTimeOffset.MaxValue`, by which the extension says "never". */
const never = '9999-12-31T23:59:59.9999999+00:00';

/**
 * Functions that messages of a queue start. The input is the message's text; `@azure/functions` parses it when it is
 * JSON. The metadata is that of `QueueTriggerBinding.cs` in Azure/azure-sdk-for-net,
 * sdk/storage/Microsoft.Azure.WebJobs.Extensions.Storage.Queues; the real host adds the fields of a JSON message to
 * it, this one does not. A message that is not in the expected encoding goes to the poison queue at once
 * (`QueueServiceClientProvider.cs`).
 */
export function createQueueTrigger(options: {
  readonly queues: Queues;
  readonly settings: QueueSettings;
}): TriggerFactory {
  const { queues, settings } = options;
  return (parts) => {
    const listeners: QueueListener[] = [];
    return {
      add: (fn) => {
        const queue = doFor(`function "${fn.name}"`, () => queues.open(fn.trigger));
        listeners.push(
          createQueueListener({
            queue,
            settings,
            clock: parts.clock,
            random: systemRandom,
            log: parts.log,
            run: (message) => runOnce({ fn, queue, settings, parts, message }),
          }),
        );
      },
      describe: () => 'queueTrigger',
      manual: (_fn, input = '') => ({
        data: { string: input },
        metadata: toMetadata(input, { insertedOn: new Date(parts.clock.now()) }),
        reason: calledByApi,
      }),
      start: () => {
        for (const listener of listeners) listener.start();
      },
      stop: async () => {
        await Promise.all(listeners.map((listener) => listener.stop(drainTimeoutMs)));
      },
    };
  };
}

async function runOnce(options: {
  readonly fn: AppFunction;
  readonly queue: StorageQueue;
  readonly settings: QueueSettings;
  readonly parts: TriggerParts;
  readonly message: HeldMessage;
}): Promise<QueueOutcome> {
  const { fn, queue, settings, parts, message } = options;
  const bytes = decode(message.messageText, settings.messageEncoding);
  if (!bytes) return 'poison';
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    parts.log.write(
      `Function.${fn.name}`,
      'error',
      `Message ${message.messageId} of queue '${queue.name}' is not UTF-8`,
    );
    return 'failed';
  }
  const result = await parts.invoke(fn, toInvocation(queue.name, text, message));
  return result.ok ? 'done' : 'failed';
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes of a message; undefined when it is not in that encoding. */
function decode(text: string, encoding: QueueSettings['messageEncoding']): Buffer | undefined {
  if (encoding === 'none') return Buffer.from(text);
  const bytes = Buffer.from(text, 'base64');
  // Node decodes what it can of any text; .NET takes base64 only as it is written.
  return bytes.toString('base64') === text ? bytes : undefined;
}

function toInvocation(queueName: string, text: string, message: HeldMessage): Invocation {
  const { messageId, dequeueCount, insertedOn } = message;
  return {
    data: { string: text },
    metadata: toMetadata(text, message),
    reason: `New queue message detected on '${queueName}'.`,
    details: `MessageId: ${messageId}, DequeueCount: ${dequeueCount}, InsertionTime: ${insertedOn.toISOString().replace('Z', '+00:00')}`,
  };
}

/** What is not known of a message is left out, or is never. */
function toMetadata(text: string, message: Partial<HeldMessage>): Record<string, RpcTypedData> {
  const { messageId, popReceipt, dequeueCount = 0, insertedOn, expiresOn, nextVisibleOn } = message;
  return {
    QueueTrigger: { string: text },
    DequeueCount: { json: String(dequeueCount) },
    ExpirationTime: toTime(expiresOn),
    ...(messageId !== undefined && { Id: { string: messageId } }),
    InsertionTime: toTime(insertedOn),
    NextVisibleTime: toTime(nextVisibleOn),
    ...(popReceipt !== undefined && { PopReceipt: { string: popReceipt } }),
  };
}

/** As .NET writes a time into JSON: with its offset, and without a fraction where there is none. */
function toTime(time: Date | undefined): RpcTypedData {
  const text = time?.toISOString().replace(/(\.000)?Z$/, '+00:00') ?? never;
  return { json: JSON.stringify(text) };
}
