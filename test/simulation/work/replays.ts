import { type ReplaysModel, replayHost } from '../outside/replays.ts';
import type { TablesModel } from '../outside/tables.ts';
import type { LoggedRecord, TopicLog } from '../outside/topic-log.ts';
import { everyMinute } from '../world/every-minute.ts';
import type { World } from '../world/world.ts';
import type { Act } from './operators.ts';
import { obscuring } from './seeks.ts';

/** Calls that an operator makes for one replay. */
const callsMax = 30;
const pauseMsMax = 5_000;

/** What a call answers. */
interface Outcome {
  readonly delivered: number;
  readonly continue: readonly { readonly nextOffset: string; readonly toOffset: string }[];
  readonly failures: readonly { readonly offset: string }[];
}

/** A replay of one partition, up to an offset that does not belong to it. */
interface Replay {
  readonly target: string;
  readonly subscription: string;
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  /** Offsets that the target took, in the order in which it did. */
  readonly taken: number[];
}

/**
 * Lets operators replay parts of topics to targets of their own, call by call to the end. Each record of the part goes
 * there once, in its order, and nothing else does; nothing is written for it.
 *
 * @param actAs gives an operator who does nothing else.
 */
export function startReplays(
  world: World,
  {
    tables,
    log,
    replays,
    actAs,
  }: { tables: TablesModel; log: TopicLog; replays: ReplaysModel; actAs: (operator: string) => Act },
  operator: string,
): void {
  if (world.plan.faults['operator replays'] === undefined) return;
  const chance = world.chance('habits of replays');
  const act = actAs(operator);
  const begun = new Map<string, Replay>();
  const unclear = [...obscuring, 'instance is configured anew'] as const;
  const isClear = unclear.every((fault) => world.plan.faults[fault] === undefined);

  tables.onWrite(({ table, writer }) => {
    if (writer.name === operator) world.violated('a replay changes nothing', `${table} was written for one`);
  });
  replays.onAnswer(({ target, places, status }) => {
    const replay = begun.get(target);
    for (const { topic, partition, offset } of places) {
      const isOf = topic === replay?.topic && partition === replay.partition;
      if (!isOf || offset < replay.from || offset >= replay.to || offset <= (replay.taken.at(-1) ?? -1)) {
        world.violated('a replay is what was asked for', `${target} gets ${topic}/${partition}/${offset}`);
      } else if (status === 200) replay.taken.push(offset);
    }
  });

  const goOn = async (
    replay: Replay,
    rest: Outcome['continue'] | undefined,
    calls: number,
  ): Promise<void> => {
    const { target, subscription, topic, partition, from, to, taken } = replay;
    const before = taken.length;
    const done = await act(`replays ${topic}/${partition} from ${from} to ${to} to ${target}`, 'replay', {
      subscription,
      url: `https://${target}/hook`,
      topic,
      partition,
      from: `offset:${from}`,
      to: `offset:${to}`,
      ...(rest !== undefined && { continue: rest }),
    });
    if (done === undefined) return;
    const outcome = done as Outcome;
    if (outcome.delivered !== taken.length - before) {
      world.violated('operators are told the truth', `${target} took ${taken.length - before} of this call`);
    }
    if (outcome.continue.length === 0) checkWhole(replay);
    else if (calls < callsMax) {
      world.after(chance.integer(0, pauseMsMax), () => goOn(replay, outcome.continue, calls + 1));
    }
  };

  /** Where nothing hides records, each that is wanted was taken. */
  function checkWhole({ target, subscription, topic, partition, from, to, taken }: Replay): void {
    if (!isClear) return;
    const plan = world.plan.subscriptions.find(({ name }) => name === subscription);
    const isUnwanted = ({ key, topic: of }: LoggedRecord) => of === 'orders' && key === plan?.unwantedKey;
    for (const record of log.topics.get(topic)?.partitions[partition]?.records ?? []) {
      const { offset } = record;
      if (offset < from || offset >= to || taken.includes(offset) || isUnwanted(record)) continue;
      world.violated(
        'a replay is what was asked for',
        `${target} has not got ${topic}/${partition}/${offset}`,
      );
    }
  }

  everyMinute(world, 'operator replays', () => {
    const { name, topics } = chance.oneOf(world.plan.subscriptions);
    const topic = chance.oneOf(topics);
    const { partitions = [], generation } = log.topics.get(topic) ?? {};
    const partition = chance.integer(0, world.plan.partitions - 1);
    const { earliest = 0, latest = 0 } = partitions[partition] ?? {};
    if (generation !== 0) return;
    const from = chance.integer(earliest, latest);
    const target = `r${begun.size + 1}.${replayHost}`;
    const to = chance.integer(from, latest);
    const replay = { target, subscription: name, topic, partition, from, to, taken: [] };
    begun.set(target, replay);
    goOn(replay, undefined, 1);
  });
}
