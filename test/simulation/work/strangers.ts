import type { TopicLog } from '../outside/topic-log.ts';
import { everyMinute } from '../world/every-minute.ts';
import type { World } from '../world/world.ts';

/** Others write to the topics too, and not all of it is an event, or has a key. */
export function startStrangers(world: World, log: TopicLog): void {
  const chance = world.chance('strangers');
  let written = 0;
  everyMinute(world, 'stranger writes', () => {
    if (log.topics.size === 0) return;
    const topic = chance.oneOf([...log.topics.values()]);
    written += 1;
    const value = chance.oneOf([
      `no JSON at all ${written}`,
      { stranger: written },
      { specversion: '9', id: '' },
    ]);
    const record = chance.happens(0.5) ? { value } : { value, key: `s${chance.integer(1, 3)}` };
    const { partition, offset } = log.append(topic, log.partitionFor(topic, record), record);
    world.note('stranger', () => `writes ${topic.name}/${partition}/${offset}`);
  });
}
