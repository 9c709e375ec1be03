import { redriveDeadLetters } from '../../src/operate/dead-letters.ts';
import { pause, resume } from '../../src/operate/endpoint-control.ts';
import type { OperateOptions } from '../../src/operate/ports.ts';
import { seek } from '../../src/operate/seek.ts';
import type { Bridge } from './bridge.ts';
import { everyMinute } from './every-minute.ts';
import type { TablesModel } from './tables.ts';
import type { TopicLog } from './topic-log.ts';
import type { World } from './world.ts';

const pausedMsMax = 120_000;
/** Operators look at what has stopped this often. */
const lookEveryMs = 45_000;
const redrivenMax = 20;

/** Lets operators work: they pause, seek and redrive now and then, and resume whatever has stopped. */
export function startOperators(
  world: World,
  { bridge, tables, log }: { bridge: Promise<Bridge>; tables: TablesModel; log: TopicLog },
): void {
  const chance = world.chance('operators');
  const { subscriptions } = world.plan;

  /** What an operator does may fail; then somebody does it again, or not. */
  const act = (what: string, work: (options: OperateOptions) => Promise<unknown>) => {
    world.note('operator', () => what);
    bridge
      .then(({ operate }) => work(operate))
      .catch((error: unknown) => world.note('operator', () => `${what} failed: ${error}`));
  };

  everyMinute(world, 'operator pauses', () => {
    const subscription = chance.oneOf(subscriptions).name;
    act(`pauses ${subscription}`, (options) => pause(options, { subscription, why: 'maintenance' }));
    world.after(chance.integer(1_000, pausedMsMax), () =>
      act(`resumes ${subscription}`, (options) => resume(options, { subscription })),
    );
  });
  everyMinute(world, 'operator seeks', () => {
    const plan = chance.oneOf(subscriptions);
    const topic = chance.oneOf(plan.topics);
    const partition = chance.integer(0, world.plan.partitions - 1);
    const { partitions, generation } = log.topics.get(topic) ?? {};
    const bounds = partitions?.[partition];
    // Whoever seeks in a topic that was made anew decides what becomes of both.
    if (bounds === undefined || generation !== 0) return;
    const offset = chance.integer(bounds.earliest, bounds.latest);
    act(`seeks ${plan.name} ${topic}/${partition} to ${offset}`, (options) =>
      seek(options, {
        subscription: plan.name,
        topic,
        partition,
        to: { kind: 'offset', offset: BigInt(offset) },
      }),
    );
  });
  everyMinute(world, 'operator redrives', () => {
    const origin = chance.oneOf(subscriptions).name;
    act(`redrives ${origin}`, (options) => redriveDeadLetters(options, { origin, max: redrivenMax }));
  });

  const look = () => {
    world.after(lookEveryMs, look);
    for (const { name } of subscriptions) {
      const state = tables.row('checkpoints', name, 'endpoint')?.state;
      if (state === 'disabled' || (state === 'paused' && world.healed)) {
        act(`resumes ${name}, which is ${state}`, (options) => resume(options, { subscription: name }));
      }
    }
  };
  world.after(lookEveryMs, look);
}
