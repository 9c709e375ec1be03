import type { EndpointsModel } from '../outside/endpoints.ts';
import type { ProxyModel } from '../outside/proxy.ts';
import type { TablesModel } from '../outside/tables.ts';
import type { TopicLog } from '../outside/topic-log.ts';
import { everyMinute } from './every-minute.ts';
import type { World } from './world.ts';

const awayMsMax = 60_000;
/** A topic that was deleted is made again within this. */
const topicAwayMsMax = 120_000;
/** Whatever happens to a topic, it has no more partitions than this. */
const partitionsMax = 4;

/** Lets what is outside be away now and then, and takes from topics what is old. */
export function startWeather(
  world: World,
  models: { proxy: ProxyModel; tables: TablesModel; endpoints: EndpointsModel; log: TopicLog },
): void {
  const chance = world.chance('weather');
  const forMs = () => chance.integer(1_000, awayMsMax);
  everyMinute(world, 'proxy is away', () => models.proxy.goAway(forMs()));
  everyMinute(world, 'tables are away', () => models.tables.goAway(forMs()));
  everyMinute(world, 'endpoint is away', () =>
    models.endpoints.goAway(chance.oneOf(world.plan.subscriptions).name, forMs()),
  );
  everyMinute(world, 'endpoint bars the way', () =>
    models.endpoints.barTheWay(chance.oneOf(world.plan.subscriptions).name, forMs()),
  );
  everyMinute(world, 'topic is made anew', () => {
    if (models.log.topics.size === 0) return;
    const { name } = chance.oneOf([...models.log.topics.values()]);
    world.note('log', () => `${name} is deleted and made anew`);
    models.log.makeAnew(name);
  });
  everyMinute(world, 'log moves its retention', () => {
    if (models.log.topics.size === 0) return;
    const topic = chance.oneOf([...models.log.topics.values()]);
    const number = chance.integer(0, topic.partitions.length - 1);
    const partition = topic.partitions[number];
    if (partition === undefined) return;
    const earliest = chance.integer(partition.earliest, partition.latest);
    world.note('log', () => `${topic.name}/${number} begins at ${earliest} now`);
    models.log.retain(topic, number, earliest);
  });
  startTopics(world, models.log);
}

/** Lets topics be away for a while, come back with any number of partitions, and grow. */
function startTopics(world: World, log: TopicLog): void {
  const chance = world.chance('topics');
  everyMinute(world, 'topic is away', () => {
    if (log.topics.size === 0) return;
    const { name } = chance.oneOf([...log.topics.values()]);
    log.remove(name);
    world.note('log', () => `${name} is deleted`);
    const partitions = chance.oneOf([1, 1, 2, partitionsMax]);
    world.after(chance.integer(1_000, topicAwayMsMax), () => {
      // The bridge may have made it meanwhile.
      if (log.topics.has(name)) return;
      log.create(name, partitions);
      world.note('log', () => `${name} is made anew, with ${partitions} partitions`);
    });
  });
  everyMinute(world, 'topic grows', () => {
    const growing = [...log.topics.values()].filter(({ partitions }) => partitions.length < partitionsMax);
    if (growing.length === 0) return;
    const topic = chance.oneOf(growing);
    log.grow(topic);
    world.note('log', () => `${topic.name} has ${topic.partitions.length} partitions now`);
  });
}
