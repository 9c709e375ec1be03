import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, type TestContext, test } from 'node:test';
import { QueueClient } from '@azure/storage-queue';
import { type Clock, systemClock } from '../../src/shared/clock.ts';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { startAzuriteQueues } from '../azurite.ts';
import { createPollDelays } from './queue-listener.ts';
import { createQueueOutputs } from './queue-output.ts';
import { createQueueTrigger } from './queue-trigger.ts';
import type { QueueSettings } from './settings.ts';
import { createQueues, type Queues, type StorageQueue } from './storage-queue.ts';
import { openTestTrigger } from './test-host.ts';
import { drainTimeoutMs } from './trigger.ts';

const azurite = await startAzuriteQueues({ port: 0 });
after(() => azurite.stop());
const env = { AzureWebJobsStorage: azurite.connectionString };

const defaults: QueueSettings = {
  batchSize: 16,
  newBatchThreshold: 8,
  maxPollingIntervalMs: 60_000,
  visibilityTimeoutMs: 0,
  maxDequeueCount: 5,
  messageEncoding: 'base64',
};

/** A queue of its own for a test, and a look into it. */
function createTestQueue() {
  const name = `q-${randomUUID()}`;
  const client = new QueueClient(azurite.connectionString, name);
  const poison = new QueueClient(azurite.connectionString, `${name}-poison`);
  return {
    name,
    client,
    poison,
    send: async (...texts: string[]) => {
      await client.createIfNotExists();
      for (const text of texts) await client.sendMessage(Buffer.from(text).toString('base64'));
    },
    /** Messages in the queue, hidden or not. */
    count: async () => (await client.getProperties()).approximateMessagesCount,
  };
}

/** A function on that queue, in a host that runs nothing else. */
function createHost(
  t: TestContext,
  setup: {
    queueName: string;
    invoke: (text: string, attempt: number) => Promise<boolean>;
    settings?: Partial<QueueSettings>;
    clock?: Clock;
    queues?: Queues;
  },
) {
  const factory = createQueueTrigger({
    queues: setup.queues ?? createQueues({ env }),
    settings: { ...defaults, ...setup.settings },
  });
  const { trigger, lines, stop } = openTestTrigger(t, factory, {
    name: 'work',
    binding: { type: 'queueTrigger', queueName: setup.queueName },
    parts: {
      clock: setup.clock ?? systemClock,
      env,
      invoke: async (_fn, { data, metadata }) => {
        const ok = await setup.invoke(data.string ?? '', Number(metadata?.DequeueCount?.json));
        return ok ? { ok, response: {} } : { ok, error: new Error('failed') };
      },
    },
  });
  return { lines, start: () => trigger.start?.(), stop };
}

/** Queues that differ from the real ones in what `change` gives. */
function openWith(change: (opened: StorageQueue) => Partial<StorageQueue>): Queues {
  const queues = createQueues({ env });
  return {
    open: (binding) => {
      const opened = queues.open(binding);
      return { ...opened, ...change(opened) };
    },
  };
}

/** A function that tells what it was given. */
function succeed(ran: PromiseWithResolvers<string>) {
  return async (text: string) => {
    ran.resolve(text);
    return true;
  };
}

test('a message that was worked on is gone', async (t) => {
  const queue = createTestQueue();
  await queue.send('hello');
  const ran = Promise.withResolvers<string>();
  const host = createHost(t, { queueName: queue.name, invoke: succeed(ran) });
  host.start();
  assert.equal(await ran.promise, 'hello');
  await host.stop();
  assert.equal(await queue.count(), 0);
});

test('a message that failed is tried again', async (t) => {
  const queue = createTestQueue();
  await queue.send('hello');
  const done = Promise.withResolvers<void>();
  const attempts: number[] = [];
  const host = createHost(t, {
    queueName: queue.name,
    invoke: async (_text, attempt) => {
      attempts.push(attempt);
      if (attempt === 3) done.resolve();
      return attempt === 3;
    },
  });
  host.start();
  await done.promise;
  await host.stop();
  assert.deepEqual(attempts, [1, 2, 3]);
  assert.equal(await queue.count(), 0);
});

test('a message that failed five times moves to the poison queue, as it was', async (t) => {
  const queue = createTestQueue();
  await queue.send('hello');
  const last = Promise.withResolvers<void>();
  let runs = 0;
  const host = createHost(t, {
    queueName: queue.name,
    invoke: async (_text, attempt) => {
      runs += 1;
      if (attempt === 5) last.resolve();
      return false;
    },
  });
  host.start();
  await last.promise;
  await host.stop();
  assert.equal(runs, 5);
  assert.equal(await queue.count(), 0);
  const { receivedMessageItems } = await queue.poison.receiveMessages();
  assert.deepEqual(
    receivedMessageItems.map(({ messageText }) => messageText),
    [Buffer.from('hello').toString('base64')],
  );
});

test('a message that failed is not seen before the visibility timeout of host.json', async (t) => {
  const queue = createTestQueue();
  await queue.send('hello');
  const ran = Promise.withResolvers<void>();
  const host = createHost(t, {
    queueName: queue.name,
    settings: { visibilityTimeoutMs: 60_000 },
    invoke: async () => {
      ran.resolve();
      return false;
    },
  });
  host.start();
  await ran.promise;
  await host.stop();
  assert.equal(await queue.count(), 1);
  assert.equal((await queue.client.receiveMessages()).receivedMessageItems.length, 0);
});

test('two hosts share a queue, and each message is run once', async (t) => {
  const queue = createTestQueue();
  const texts = Array.from({ length: 60 }, (_, index) => `message ${index}`);
  await queue.send(...texts);
  const runs: string[] = [];
  const all = Promise.withResolvers<void>();
  const invoke = async (text: string) => {
    runs.push(text);
    if (runs.length === texts.length) all.resolve();
    return true;
  };
  const hosts = [1, 2].map(() => createHost(t, { queueName: queue.name, invoke }));
  for (const host of hosts) host.start();
  await all.promise;
  await Promise.all(hosts.map((host) => host.stop()));
  assert.deepEqual(runs.sort(), texts.sort());
  assert.equal(await queue.count(), 0);
});

test('the next batch is taken when few enough messages are being worked on', async (t) => {
  const queue = createTestQueue();
  await queue.send('1', '2', '3');
  const running: (() => void)[] = [];
  let started = Promise.withResolvers<void>();
  const host = createHost(t, {
    queueName: queue.name,
    settings: { batchSize: 2, newBatchThreshold: 0 },
    invoke: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      running.push(resolve);
      if (running.length >= 2) started.resolve();
      await promise;
      return true;
    },
  });
  host.start();
  await started.promise;
  running[0]?.();
  assert.equal(running.length, 2);
  started = Promise.withResolvers();
  running[1]?.();
  await started.promise;
  assert.equal(running.length, 3);
  running[2]?.();
  await host.stop();
  assert.equal(await queue.count(), 0);
});

test('a message is kept hidden for as long as its function runs', async (t) => {
  const queue = createTestQueue();
  await queue.send('slow');
  const [original] = (await queue.client.receiveMessages({ visibilityTimeout: 1 })).receivedMessageItems;
  assert.ok(original);
  await queue.client.updateMessage(original.messageId, original.popReceipt, undefined, 0);
  const renewed = Promise.withResolvers<{ receipt: string; hiddenMs: number }>();
  const queues = openWith((opened) => ({
    hide: async (message, hiddenMs) => {
      const hidden = await opened.hide(message, hiddenMs);
      renewed.resolve({ receipt: message.popReceipt, hiddenMs });
      return hidden;
    },
  }));
  const clock = createManualClock();
  const running = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<boolean>();
  const host = createHost(t, {
    queueName: queue.name,
    clock,
    queues,
    invoke: () => {
      running.resolve();
      return finish.promise;
    },
  });
  host.start();
  await running.promise;
  await clock.advance(5 * 60_000);
  const { receipt, hiddenMs } = await renewed.promise;
  assert.equal(hiddenMs, 600_000);
  await assert.rejects(queue.client.deleteMessage(original.messageId, receipt), {
    code: 'PopReceiptMismatch',
  });

  finish.resolve(true);
  await host.stop();
  assert.equal(await queue.count(), 0);
});

test('a host that stops lets running functions finish, and takes no more', async (t) => {
  const queue = createTestQueue();
  await queue.send('first', 'second');
  const running = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<boolean>();
  const runs: string[] = [];
  const host = createHost(t, {
    queueName: queue.name,
    settings: { batchSize: 1, newBatchThreshold: 0 },
    invoke: (text) => {
      runs.push(text);
      running.resolve();
      return finish.promise;
    },
  });
  host.start();
  await running.promise;
  const stopped = host.stop();
  finish.resolve(true);
  await stopped;
  assert.deepEqual(runs, ['first']);
  assert.equal(await queue.count(), 1);
  assert.equal((await queue.client.peekMessages()).peekedMessageItems.length, 1);
});

test('a function that outlasts the stop keeps nobody, and its message stays in the queue', async (t) => {
  const queue = createTestQueue();
  await queue.send('endless');
  const clock = createManualClock();
  const running = Promise.withResolvers<void>();
  const host = createHost(t, {
    queueName: queue.name,
    clock,
    invoke: () => {
      running.resolve();
      return new Promise(() => undefined);
    },
  });
  host.start();
  await running.promise;
  const stopped = host.stop();
  await clock.advance(drainTimeoutMs);
  await stopped;
  assert.equal(clock.pendingSleeps(), 0);
  assert.equal(await queue.count(), 1);
});

test('messages that arrive while the host stops go back unseen', async (t) => {
  const queue = createTestQueue();
  await queue.send('late');
  const asked = Promise.withResolvers<void>();
  const stopping = Promise.withResolvers<void>();
  const queues = openWith((opened) => ({
    receive: async (...args) => {
      const messages = await opened.receive(...args);
      asked.resolve();
      await stopping.promise;
      return messages;
    },
  }));
  let runs = 0;
  const invoke = async () => {
    runs += 1;
    return true;
  };
  const host = createHost(t, { queueName: queue.name, queues, invoke });
  host.start();
  await asked.promise;
  const stopped = host.stop();
  stopping.resolve();
  await stopped;
  assert.equal(runs, 0);
  assert.equal((await queue.client.peekMessages()).peekedMessageItems.length, 1);
});

test('a queue that cannot be read is said to be so, and is looked at again', async (t) => {
  const queue = createTestQueue();
  await queue.send('hello');
  let looks = 0;
  const queues = openWith((opened) => ({
    receive: async (...args) => {
      looks += 1;
      if (looks === 1) throw new Error('storage is away');
      return opened.receive(...args);
    },
  }));
  const ran = Promise.withResolvers<string>();
  const host = createHost(t, { queueName: queue.name, queues, invoke: succeed(ran) });
  host.start();
  assert.equal(await ran.promise, 'hello');
  assert.match(host.lines.join('\n'), /Queue 'q-.*': .*storage is away/);
});

test('a message whose removal fails is reported, and comes back', async (t) => {
  const queue = createTestQueue();
  await queue.send('hello');
  const queues = openWith(() => ({ remove: () => Promise.reject(new Error('storage is away')) }));
  const ran = Promise.withResolvers<string>();
  const host = createHost(t, { queueName: queue.name, queues, invoke: succeed(ran) });
  host.start();
  await ran.promise;
  await host.stop();
  assert.match(host.lines.join('\n'), /message .* will come back: .*storage is away/);
  assert.equal(await queue.count(), 1);
});

test('what this very host adds to a queue is taken without waiting for the next look', async (t) => {
  const { name } = createTestQueue();
  const queues = createQueues({ env });
  // A clock that stands still: a look that has found nothing is not followed by another.
  const clock = createManualClock();
  const ran = Promise.withResolvers<string>();
  const host = createHost(t, {
    queueName: name,
    clock,
    queues,
    invoke: succeed(ran),
  });
  host.start();
  const fn = {
    name: 'plan',
    metadata: { name: 'plan', bindings: { $return: { type: 'queue', direction: 'out', queueName: name } } },
    callback: () => undefined,
    trigger: { type: 'timerTrigger', direction: 'in' },
    triggerName: 'timer',
    disabled: false,
  } as const;
  const write = createQueueOutputs({ functions: [fn], queues, messageEncoding: 'base64' });
  await write(fn, { returnValue: { string: 'now' } });
  assert.equal(await ran.promise, 'now');
});

test('messages are plain text when host.json says so', async (t) => {
  const queue = createTestQueue();
  await queue.client.create();
  await queue.client.sendMessage('<plain> & simple');
  const ran = Promise.withResolvers<string>();
  const host = createHost(t, {
    queueName: queue.name,
    settings: { messageEncoding: 'none' },
    invoke: succeed(ran),
  });
  host.start();
  assert.equal(await ran.promise, '<plain> & simple');
});

test('a message in another encoding moves to the poison queue without being run', async (t) => {
  const queue = createTestQueue();
  await queue.client.create();
  await queue.client.sendMessage('not base64');
  await queue.send('hello');
  const ran = Promise.withResolvers<string>();
  const host = createHost(t, { queueName: queue.name, invoke: succeed(ran) });
  host.start();
  assert.equal(await ran.promise, 'hello');
  await host.stop();
  assert.equal(await queue.count(), 0);
  const { receivedMessageItems } = await queue.poison.receiveMessages();
  assert.equal(receivedMessageItems[0]?.messageText, 'not base64');
});

test('a binding that names no queue is refused with the name of its function', (t) => {
  const refuse = (queueName: string, settings: NodeJS.ProcessEnv = env) =>
    createHost(t, {
      queueName,
      queues: createQueues({ env: settings }),
      invoke: async () => true,
    });
  assert.throws(() => refuse('a--b'), /function "work": .*"a--b" is no queue name/);
  assert.throws(() => refuse('%WORK%'), /function "work": .*'%WORK%' does not resolve/);
  assert.throws(
    () => refuse('work', {}),
    /function "work": .*the app setting AzureWebJobsStorage is missing/,
  );
  assert.throws(
    () => refuse('work', { AzureWebJobsStorage: 'nonsense' }),
    /function "work": .*the app setting AzureWebJobsStorage is no connection string/,
  );
});

test('an empty queue is looked at less and less often', () => {
  const next = createPollDelays({ maxMs: 2_000, random: () => 0.5 });
  const looks = [false, false, false, false, false, false, false, true, false];
  assert.deepEqual(
    looks.map((found) => next(found)),
    [100, 200, 300, 500, 900, 1_700, 2_000, 100, 200],
  );
});
