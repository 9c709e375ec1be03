import type { OperationName } from '../../../src/operate/operate.ts';
import type { TablesModel } from '../outside/tables.ts';
import type { TopicLog } from '../outside/topic-log.ts';
import type { App } from '../platform/app.ts';
import { everyMinute } from '../world/every-minute.ts';
import type { World } from '../world/world.ts';

const pausedMsMax = 120_000;
/** Operators look at what has stopped this often. */
const lookEveryMs = 45_000;
const redrivenMax = 20;

/** Lets operators work: they pause, seek and redrive now and then, and resume whatever has stopped. */
export function startOperators(
  world: World,
  { app, tables, log }: { app: Promise<App>; tables: TablesModel; log: TopicLog },
): void {
  const chance = world.chance('operators');
  const { subscriptions } = world.plan;

  /** What an operator does may fail; then somebody does it again, or not. */
  const act = async (what: string, name: OperationName, request: object) => {
    world.note('operator', () => what);
    const { bridge, invocation } = await app;
    const body = JSON.stringify(request);
    const answer = await bridge.operate(name, { query: {}, body }, invocation());
    if (answer.status !== 200) world.note('operator', () => `${what} failed: ${answer.body}`);
  };

  everyMinute(world, 'operator pauses', () => {
    const subscription = chance.oneOf(subscriptions).name;
    act(`pauses ${subscription}`, 'pause', { subscription, why: 'maintenance' });
    world.after(chance.integer(1_000, pausedMsMax), () =>
      act(`resumes ${subscription}`, 'resume', { subscription }),
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
    act(`seeks ${plan.name} ${topic}/${partition} to ${offset}`, 'seek', {
      subscription: plan.name,
      topic,
      partition,
      to: `offset:${offset}`,
    });
  });
  everyMinute(world, 'operator redrives', () => {
    const origin = chance.oneOf(subscriptions).name;
    act(`redrives ${origin}`, 'redriveDeadLetters', { origin, max: redrivenMax });
  });

  const look = () => {
    world.after(lookEveryMs, look);
    for (const { name } of subscriptions) {
      const state = tables.row('checkpoints', name, 'endpoint')?.state;
      if (state === 'disabled' || (state === 'paused' && world.healed)) {
        act(`resumes ${name}, which is ${state}`, 'resume', { subscription: name });
      }
    }
  };
  world.after(lookEveryMs, look);
}
