import { type Clock, noLongerNeeded, type Random } from '../../src/shared/clock.ts';
import { describeError } from '../../src/shared/error.ts';
import type { HostLog } from './host-log.ts';
import { createMessageWork, hiddenMs, type RunMessage } from './queue-message.ts';
import type { QueueSettings } from './settings.ts';
import type { HeldMessage, StorageQueue } from './storage-queue.ts';

/** Takes messages off a queue, for as long as it runs. */
export interface QueueListener {
  start(): void;
  /**
   * Takes no more messages, and waits up to `limitMs` for those being worked on. What is not done by then comes back
   * to the queue once it is no longer hidden.
   */
  stop(limitMs: number): Promise<void>;
}

/**
 * The loop behind a queue trigger: a batch is taken, its messages are worked on all at once, and the next batch is
 * taken when few enough of them are left. An empty or missing queue is looked at again later and later, but at once
 * when this very host adds a message. Azure/azure-sdk-for-net,
 * sdk/storage/Microsoft.Azure.WebJobs.Extensions.Storage.Common, `QueueListener.cs`.
 *
 * One thing differs: where the real host ends on a failure of storage that it does not know, for the platform to
 * start it again, this one says so and looks again later.
 */
export function createQueueListener(options: {
  readonly queue: StorageQueue;
  readonly settings: QueueSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: HostLog;
  readonly run: RunMessage;
}): QueueListener {
  const { queue, settings, clock, log } = options;
  const { work, letGo } = createMessageWork(options);
  const working = new Set<Promise<void>>();
  let stopping = false;
  let polling: Promise<void> | undefined;
  let pause = new AbortController();
  let onWorkEnd: () => void = () => undefined;
  const ignoreAdded = queue.onAdded(() => pause.abort(noLongerNeeded));
  /** Reports a failure, in whose place there are no messages. */
  const warn = (error: unknown): readonly HeldMessage[] => {
    log.write('Host.Triggers.Queue', 'warning', `Queue '${queue.name}': ${describeError(error)}`);
    return [];
  };

  const begin = (message: HeldMessage) => {
    const ended = work(message).then(() => {
      working.delete(ended);
      onWorkEnd();
    });
    working.add(ended);
  };

  const poll = async () => {
    const nextDelayMs = createPollDelays({ maxMs: settings.maxPollingIntervalMs, random: options.random });
    let found = false;
    while (!stopping) {
      pause = new AbortController();
      const messages = await queue.receive(settings.batchSize, hiddenMs).catch(warn);
      if (stopping) {
        // They came too late to be begun with.
        await Promise.all(messages.map((message) => queue.hide(message, 0))).catch(warn);
      } else if (messages.length === 0) {
        await clock.sleep(nextDelayMs(found), pause.signal).catch(() => undefined);
        found = false;
      } else {
        found = true;
        for (const message of messages) begin(message);
        while (!stopping && working.size > settings.newBatchThreshold) {
          await new Promise<void>((resolve) => {
            onWorkEnd = resolve;
          });
        }
      }
    }
  };

  return {
    start: () => {
      polling = poll();
    },
    stop: async (limitMs) => {
      stopping = true;
      ignoreAdded();
      pause.abort(noLongerNeeded);
      onWorkEnd();
      const limit = new AbortController();
      const ended = async () => {
        await polling;
        await Promise.all(working);
      };
      await Promise.race([ended(), clock.sleep(limitMs, limit.signal).catch(() => undefined)]);
      limit.abort(noLongerNeeded);
      letGo();
    },
  };
}

const pollMinMs = 100;
const pollJitter = 0.2;

/**
 * Pauses between looks at an empty queue: 100 ms right after a message, then twice as long each time, give or take
 * a fifth, up to `maxMs`. `RandomizedExponentialBackoffStrategy.cs`
 */
export function createPollDelays(options: {
  readonly maxMs: number;
  readonly random: Random;
}): (found: boolean) => number {
  const { maxMs, random } = options;
  let emptyLooks = 0;
  return (found) => {
    emptyLooks = found ? 1 : emptyLooks + 1;
    if (emptyLooks === 1) return Math.min(pollMinMs, maxMs);
    const spread = 1 - pollJitter + 2 * pollJitter * random();
    return Math.min(pollMinMs + spread * 2 ** (emptyLooks - 2) * pollMinMs, maxMs);
  };
}
