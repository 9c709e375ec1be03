import type { LogTopic } from '../outside/topic-log.ts';
import { operatorName } from '../platform/instance.ts';
import { everyMinute } from '../world/every-minute.ts';
import type { Fault } from '../world/faults.ts';
import { beginningMs, type World } from '../world/world.ts';
import type { OperatorsTools } from './operators.ts';

/** Who seeks while a partition is walked does so this soon. */
const soonMsMax = 2_000;
/** Where none of these strikes, what is asked for can be compared with what the log holds. */
export const obscuring: readonly Fault[] = [
  'proxy shows stale metadata',
  'proxy gives an empty page',
  'proxy begins a page early',
  'proxy points beyond the end',
  'log leaves offsets out',
  'log moves its retention',
  'topic is made anew',
  'topic is away',
  'topic grows',
];

interface Sought {
  readonly topic: string;
  readonly partition: number;
  readonly now: string;
}

/** A place in a partition, and which offsets it may stand for. */
interface Aim {
  readonly to: string;
  isMet(offset: number, partition: LogTopic['partitions'][number]): boolean;
}

/** Lets operators seek: in one partition, in one that is walked, and in all of them. */
export function startSeeks(world: World, { tables, log, act, chance }: OperatorsTools): void {
  const { subscriptions } = world.plan;
  const isClear = obscuring.every((fault) => world.plan.faults[fault] === undefined);
  /** Where operators have put checkpoints, the last in the end. */
  const put: string[] = [];
  tables.onWrite(({ table, after, writer }) => {
    if (table !== 'checkpoints' || after?.nextOffset === undefined || !writer.name.startsWith(operatorName))
      return;
    put.push(`${after.partitionKey} ${after.rowKey} ${after.nextOffset}`);
  });

  /** Seeks, and sees that each partition stands then where it was to. */
  async function seek(request: { subscription: string; topic?: string; partition?: number }, aim: Aim) {
    const what = JSON.stringify({ ...request, to: aim.to });
    const before = put.length;
    const done = await act(`seeks ${what}`, 'seek', { ...request, to: aim.to });
    if (done === undefined) return;
    for (const { topic, partition, now } of (done as { partitions: readonly Sought[] }).partitions) {
      const isPut = put.slice(before).includes(`${request.subscription} ${topic}:${partition} ${now}`);
      const bounds = log.topics.get(topic)?.partitions[partition];
      if (isPut && (!isClear || (bounds !== undefined && aim.isMet(Number(now), bounds)))) continue;
      world.violated('a seek goes where it is asked to', `${what}: ${topic}/${partition} is at ${now}`);
    }
  }

  /** Seeks to some offset. Whoever seeks in a topic that was made anew decides what becomes of both. */
  function seekIn(stream: typeof chance, subscription: string, topic: string, partition: number): void {
    const { partitions, generation } = log.topics.get(topic) ?? {};
    const bounds = partitions?.[partition];
    if (bounds === undefined || generation !== 0) return;
    const offset = stream.integer(bounds.earliest, bounds.latest);
    const aim = { to: `offset:${offset}`, isMet: (now: number) => now === offset };
    seek({ subscription, topic, partition }, aim);
  }

  everyMinute(world, 'operator seeks', () => {
    const plan = chance.oneOf(subscriptions);
    const topic = chance.oneOf(plan.topics);
    seekIn(chance, plan.name, topic, chance.integer(0, world.plan.partitions - 1));
  });

  const moments = world.chance('moments of seeks');
  tables.onWrite(({ table, before, after }) => {
    const isClaim =
      table === 'checkpoints' && before !== undefined && Number(after?.epoch) > Number(before.epoch);
    if (!isClaim || after === undefined || !world.strikes('operator seeks in a walk')) return;
    const [topic = '', partition] = after.rowKey.split(':');
    world.after(moments.integer(0, soonMsMax), () =>
      seekIn(moments, after.partitionKey, topic, Number(partition)),
    );
  });

  const far = world.chance('far seeks');
  everyMinute(world, 'operator seeks far', () => {
    const { name, topics } = far.oneOf(subscriptions);
    const all = topics.map((topic) => log.topics.get(topic));
    if (all.some((topic) => topic?.generation !== 0)) return;
    const { records = [] } = far.oneOf(all)?.partitions[0] ?? {};
    const timeMs = records.length > 0 ? far.oneOf(records).atMs : beginningMs;
    const former = new Map(
      all.flatMap((topic) => topic?.partitions ?? []).map((each) => [each, each.latest]),
    );
    const aim = far.oneOf<Aim>([
      { to: 'earliest', isMet: (now, { earliest }) => now === earliest },
      { to: 'latest', isMet: (now, part) => now >= (former.get(part) ?? 0) && now <= part.latest },
      {
        to: `time:${new Date(timeMs).toISOString()}`,
        isMet: (now, { records }) => records.every(({ offset, atMs }) => offset < now === atMs < timeMs),
      },
    ]);
    seek({ subscription: name, ...(far.happens(0.5) && { topic: far.oneOf(topics) }) }, aim);
  });
}
