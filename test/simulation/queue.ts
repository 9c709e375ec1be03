import type { WorkItem } from '../../src/drain/work-item.ts';
import type { Host } from './host.ts';
import type { World } from './world.ts';

/** The queue of partitions to be drained: at least once, in any order, now or later. */
export interface QueueModel {
  put(items: readonly WorkItem[]): void;
}

const lateMsMax = 120_000;
const againAfterMs = 10_000;
/** A message that failed this often goes to the poison queue, which nobody reads. */
const triesMax = 5;

export function createQueue(world: World, host: Host): QueueModel {
  const chance = world.chance('queue');

  function deliver(item: WorkItem, tries: number): void {
    const lateMs = world.strikes('message is late') ? chance.integer(1_000, lateMsMax) : 0;
    world.after(chance.latencyMs(50, 2_000) + lateMs, () =>
      host.run(
        `queue ${item.subscription} ${item.topic}/${item.partition}`,
        ({ bridge, invocation }) => bridge.drain.walk(item, invocation()),
        (ended) => {
          if (ended !== 'done' && tries < triesMax) world.after(againAfterMs, () => deliver(item, tries + 1));
        },
      ),
    );
  }

  return {
    put(items) {
      for (const item of items) {
        deliver(item, 1);
        if (world.strikes('message doubles')) deliver(item, 1);
      }
    },
  };
}
