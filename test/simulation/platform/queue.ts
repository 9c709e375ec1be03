import type { WorkItem } from '../../../src/drain/work-item.ts';
import type { World } from '../world/world.ts';
import type { Host } from './host.ts';

/** The queue of partitions to be drained: at least once, in any order, now or later. */
export interface QueueModel {
  put(items: readonly WorkItem[]): void;
}

/** A message, as Storage Queues keep it until somebody deletes it who has taken it last. */
interface Message {
  readonly item: WorkItem;
  /** How often it was taken; each time makes the receipts before worthless. */
  dequeueCount: number;
  /** Counts the times from which on it is to be seen: only the last one set holds. */
  shows: number;
  /** Deleted, or in the poison queue, which nobody reads. */
  gone: boolean;
}

const lateMsMax = 120_000;
/** A message that was put without an answer is put once more within this. */
const againMsMax = 4_000;
/** Nobody looks into the queue while there is no instance. */
const lookAgainMs = 5_000;
/** For how long the platform hides a message that it runs. */
const hiddenMs = 10 * 60_000;
/** A hold that is lost, as when it cannot be renewed, ends within this, whether the function has ended or not. */
const lostHoldMsMax = 60_000;

// Of host.json.
const visibilityTimeoutMs = 30_000;
const maxDequeueCount = 5;

/** Makes the queue of a world, whose messages run on instances of `host`. */
export function createQueue(world: World, host: Host): QueueModel {
  const chance = world.chance('queue');
  const holds = world.chance('holds of messages');
  const copies = world.chance('copies of messages');

  function show(message: Message, afterMs: number): void {
    message.shows += 1;
    const { shows } = message;
    const lateMs = world.strikes('message is late') ? chance.integer(1_000, lateMsMax) : 0;
    world.after(afterMs + chance.latencyMs(50, 2_000) + lateMs, () => {
      if (!message.gone && message.shows === shows) take(message);
    });
  }

  function take(message: Message): void {
    if (host.instances.length === 0) {
      show(message, lookAgainMs);
      return;
    }
    const { subscription, topic, partition } = message.item;
    message.dequeueCount += 1;
    const receipt = message.dequeueCount;
    // Some cannot even be handed to the function, as while an instance lacks a setting.
    if (receipt > maxDequeueCount || world.strikes('message is poisoned')) {
      moveToPoison(message);
      return;
    }
    const isLost = world.strikes('message comes back');
    show(message, isLost ? holds.integer(500, lostHoldMsMax) : hiddenMs);
    host.run(
      `queue ${subscription} ${topic}/${partition}`,
      ({ bridge, invocation }) => bridge.drain.walk(message.item, invocation()),
      (ended) => {
        // What has died tells nobody; the message comes back by itself. Nor does an old receipt change anything.
        if (ended === 'lost' || message.gone || message.dequeueCount !== receipt) return;
        if (ended === 'done') message.gone = true;
        else if (receipt >= maxDequeueCount) moveToPoison(message);
        else show(message, visibilityTimeoutMs);
      },
    );
  }

  function moveToPoison(message: Message): void {
    const { subscription, topic, partition } = message.item;
    message.gone = true;
    world.note('queue', () => `${subscription} ${topic}/${partition} goes to the poison queue`);
  }

  return {
    put(items) {
      for (const item of items) {
        const put = (afterMs: number) => show({ item, dequeueCount: 0, shows: 0, gone: false }, afterMs);
        put(0);
        if (world.strikes('message doubles')) put(copies.integer(0, againMsMax));
      }
    },
  };
}
