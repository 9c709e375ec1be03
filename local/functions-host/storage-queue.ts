import {
  type DequeuedMessageItem,
  type QueueClient,
  QueueServiceClient,
  RestError,
} from '@azure/storage-queue';
import { z } from 'zod';
import type { Binding } from './core-types.ts';
import { HostError, readOptions } from './host-error.ts';
import { resolveAppSettings } from './settings.ts';

/** A message this host holds: others do not see it for the time being. */
export type HeldMessage = DequeuedMessageItem;

/** A queue of a storage account, as triggers and output bindings use it. */
export interface StorageQueue {
  readonly name: string;
  /** Where messages go that failed too often. A poison queue has none, nor has a queue with no room in its name. */
  readonly poison: StorageQueue | undefined;
  /** Up to `countMax` messages, which nobody else sees for `hiddenMs`; none when there is no such queue. */
  receive(countMax: number, hiddenMs: number): Promise<readonly HeldMessage[]>;
  /** Hides a held message for `hiddenMs` from now on; undefined when it is no longer this host's or no longer there. */
  hide(message: HeldMessage, hiddenMs: number): Promise<HeldMessage | undefined>;
  /** Removes a held message; without effect when it is no longer this host's or no longer there. */
  remove(message: HeldMessage): Promise<void>;
  /** Adds a message with this text as it is, to a queue that is made if need be. */
  add(text: string): Promise<void>;
  /** Calls `notice` whenever this very host has added a message. Gives what ends that. */
  onAdded(notice: () => void): () => void;
}

/** Queues by the bindings that name them. */
export interface Queues {
  /** @throws {HostError} when the binding names no queue, or none of an account that is known. */
  open(binding: Binding): StorageQueue;
}

const bindingOptions = z.looseObject({ queueName: z.string(), connection: z.string().optional() });

const connectionDefault = 'AzureWebJobsStorage';
const poisonSuffix = '-poison';
// https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata
const legalName = /^(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*$/;
const retryOptions = { maxTries: 4, tryTimeoutInMs: 30_000, retryDelayInMs: 800, maxRetryDelayInMs: 10_000 };

/**
 * The queues that bindings with `queueName` and `connection` name. `connection` is the name of an app setting, also
 * without its beginning "AzureWebJobs"; without it, AzureWebJobsStorage is meant.
 * Azure/azure-sdk-for-net, sdk/storage/Microsoft.Azure.WebJobs.Extensions.Storage.Queues, `QueueServiceClientProvider.cs`
 * and `QueueTriggerAttributeBindingProvider.cs`.
 */
export function createQueues(options: { readonly env: NodeJS.ProcessEnv }): Queues {
  const { env } = options;
  const notices = createNotices();
  return {
    open: (binding) => {
      const { queueName, connection = connectionDefault } = readOptions(bindingOptions, binding);
      const name = resolveAppSettings(queueName, env).toLowerCase();
      if (!legalName.test(name)) {
        throw new HostError(
          `"${name}" is no queue name: 3 to 63 letters, digits and single dashes between them`,
        );
      }
      const account = connect(connection, env);
      const openQueue = (queue: string, poison?: StorageQueue) =>
        createQueue({ client: account.getQueueClient(queue), poison, notices });
      const poisonName = `${name}${poisonSuffix}`;
      const hasPoison = !name.endsWith(poisonSuffix) && legalName.test(poisonName);
      return openQueue(name, hasPoison ? openQueue(poisonName) : undefined);
    },
  };
}

function connect(connection: string, env: NodeJS.ProcessEnv): QueueServiceClient {
  const setting = [`AzureWebJobs${connection}`, connection].find((name) => env[name]);
  const connectionString = setting === undefined ? undefined : env[setting];
  if (connectionString === undefined)
    throw new HostError(
      `the app setting ${connection} is missing: it holds the storage account's connection string`,
    );
  try {
    return QueueServiceClient.fromConnectionString(connectionString, { retryOptions });
  } catch (error) {
    // The client's own message may repeat the account key.
    throw new HostError(
      `the app setting ${setting} is no connection string of a storage account with queues`,
      error,
    );
  }
}

function createQueue(options: {
  readonly client: QueueClient;
  readonly poison: StorageQueue | undefined;
  readonly notices: Notices;
}): StorageQueue {
  const { client, poison, notices } = options;
  const { name } = client;
  return {
    name,
    poison,
    receive: async (countMax, hiddenMs) => {
      const visibilityTimeout = hiddenMs / 1000;
      const received = await unlessGone(
        client.receiveMessages({ numberOfMessages: countMax, visibilityTimeout }),
      );
      return received?.receivedMessageItems ?? [];
    },
    hide: async (message, hiddenMs) => {
      const { messageId, popReceipt } = message;
      const hidden = await unlessGone(
        client.updateMessage(messageId, popReceipt, undefined, hiddenMs / 1000),
      );
      return hidden && { ...message, popReceipt: hidden.popReceipt ?? popReceipt };
    },
    remove: async ({ messageId, popReceipt }) => {
      await unlessGone(client.deleteMessage(messageId, popReceipt));
    },
    add: async (text) => {
      try {
        await client.sendMessage(text);
      } catch (error) {
        if (!(error instanceof RestError) || error.statusCode !== 404) throw error;
        await client.createIfNotExists();
        await client.sendMessage(text);
      }
      notices.give(name);
    },
    onAdded: (notice) => notices.take(name, notice),
  };
}

/** Undefined when the queue or the message is gone, or somebody else holds the message by now. */
async function unlessGone<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (!(error instanceof RestError)) throw error;
    const gone = error.statusCode === 404 || error.statusCode === 409 || error.code === 'PopReceiptMismatch';
    if (!gone) throw error;
    return undefined;
  }
}

type Notices = ReturnType<typeof createNotices>;

/** Word of new messages within this host, by the name of the queue. `SharedQueueWatcher.cs` */
function createNotices() {
  const takers = new Map<string, Set<() => void>>();
  return {
    give: (name: string) => {
      for (const notice of takers.get(name) ?? []) notice();
    },
    take: (name: string, notice: () => void) => {
      const ofQueue = takers.get(name) ?? new Set();
      takers.set(name, ofQueue.add(notice));
      return () => {
        ofQueue.delete(notice);
      };
    },
  };
}
