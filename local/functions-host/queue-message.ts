import { type Clock, noLongerNeeded } from '../../src/shared/clock.ts';
import { describeError } from '../../src/shared/error.ts';
import type { HostLog } from './host-log.ts';
import type { QueueSettings } from './settings.ts';
import type { HeldMessage, StorageQueue } from './storage-queue.ts';

/** What became of a message: it is done, it failed and is tried again, or it can never be run. */
export type QueueOutcome = 'done' | 'failed' | 'poison';

/** Works on a message; does not reject. */
export type RunMessage = (message: HeldMessage) => Promise<QueueOutcome>;

/** How messages of one queue are worked on. */
export interface MessageWork {
  /** Runs a message, and removes it, shows it again or moves it to the poison queue. Does not reject. */
  work(message: HeldMessage): Promise<void>;
  /** Keeps no message hidden any longer than it is now. */
  letGo(): void;
}

/** For how long a message is hidden when it is taken, and again and again while its function runs. */
export const hiddenMs = 10 * 60_000;
const renewEveryMs = hiddenMs / 2;
const renewMinMs = 60_000;

/**
 * A message that fails is shown again after `visibilityTimeoutMs`, or moves to the poison queue at the last try.
 * Where there is no poison queue it stays hidden for as long as it is. While its function runs it is hidden for ten
 * more minutes every five.
 * Azure/azure-sdk-for-net, sdk/storage/Microsoft.Azure.WebJobs.Extensions.Storage.Common, `QueueProcessor.cs`,
 * `QueueListener.ProcessMessageAsync` and `UpdateQueueMessageVisibilityCommand.cs`.
 */
export function createMessageWork(options: {
  readonly queue: StorageQueue;
  readonly settings: QueueSettings;
  readonly clock: Clock;
  readonly log: HostLog;
  readonly run: RunMessage;
}): MessageWork {
  const { queue, settings, clock, log, run } = options;
  const holds = new Set<AbortController>();
  const warn = (text: string) =>
    log.write('Host.Triggers.Queue', 'warning', `Queue '${queue.name}': ${text}`);

  const renew = async (holding: { message: HeldMessage }, signal: AbortSignal) => {
    for (let delayMs = renewEveryMs; await sleep(clock, delayMs, signal); ) {
      try {
        const renewed = await queue.hide(holding.message, hiddenMs);
        if (!renewed) return;
        holding.message = renewed;
        delayMs = renewEveryMs;
      } catch (error) {
        warn(`message ${holding.message.messageId} could not be kept hidden: ${describeError(error)}`);
        delayMs = Math.max(delayMs / 2, renewMinMs);
      }
    }
  };

  /** Runs a message while it is kept hidden; gives it with its latest receipt. */
  const runHidden = async (message: HeldMessage) => {
    const ended = new AbortController();
    holds.add(ended);
    const holding = { message };
    const renewing = renew(holding, ended.signal);
    const outcome = await run(message);
    holds.delete(ended);
    ended.abort(noLongerNeeded);
    await renewing;
    return { outcome, held: holding.message };
  };

  const moveToPoison = async (message: HeldMessage) => {
    if (!queue.poison) return;
    warn(`message ${message.messageId} moves to queue '${queue.poison.name}'`);
    await queue.poison.add(message.messageText);
    await queue.remove(message);
  };

  const process = async (message: HeldMessage) => {
    const { maxDequeueCount, visibilityTimeoutMs } = settings;
    if (message.dequeueCount > maxDequeueCount) return moveToPoison(message);
    const { outcome, held } = await runHidden(message);
    if (outcome === 'done') await queue.remove(held);
    else if (outcome === 'poison' || message.dequeueCount >= maxDequeueCount) await moveToPoison(held);
    else if (queue.poison) await queue.hide(held, visibilityTimeoutMs);
  };

  return {
    work: (message) =>
      process(message).catch((error) =>
        warn(`message ${message.messageId} will come back: ${describeError(error)}`),
      ),
    letGo: () => {
      for (const hold of holds) hold.abort(noLongerNeeded);
    },
  };
}

/** False when `signal` ended the wait. */
async function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<boolean> {
  await clock.sleep(delayMs, signal).catch(() => undefined);
  return !signal.aborted;
}
