import { watchEndpoints } from './invariants/endpoint.ts';
import { checkIn, type InWitness, restlessIn, watchIn } from './invariants/in.ts';
import { checkOut, restlessOut, watchOut } from './invariants/out.ts';
import { watchRedrives } from './invariants/out-redrives.ts';
import { watchSecrets } from './invariants/secrets.ts';
import { createEndpoints } from './outside/endpoints.ts';
import { createProofs } from './outside/proofs.ts';
import { createProxy } from './outside/proxy.ts';
import { createReplays } from './outside/replays.ts';
import { createTables } from './outside/tables.ts';
import { createTopicLog, type TopicLog } from './outside/topic-log.ts';
import { topics } from './outside/topics.ts';
import type { Plan } from './plan.ts';
import { startApp } from './platform/app.ts';
import { createConfigurations } from './platform/configurations.ts';
import { startHost } from './platform/host.ts';
import type { Instance } from './platform/instance.ts';
import { createQueue } from './platform/queue.ts';
import { startIngestRedrives } from './work/ingest-redrives.ts';
import { startOperators } from './work/operators.ts';
import { startStrangers } from './work/strangers.ts';
import { startWork } from './work/work.ts';
import type { Fault } from './world/faults.ts';
import { withoutMachine } from './world/machine.ts';
import { startWeather } from './world/weather.ts';
import { beginningMs, createWorld, type Violation, type World } from './world/world.ts';

/** What a run came to. */
export interface RunResult {
  readonly plan: Plan;
  readonly violation: Violation | undefined;
  readonly events: number;
  readonly records: number;
  readonly deliveries: number;
  readonly steps: number;
  /** Virtual milliseconds. */
  readonly livedMs: number;
  readonly struck: ReadonlyMap<Fault, number>;
}

const flushEveryMs = 10_000;
const drainEveryMs = 10_000;
/** After the world has healed it must be at rest within this. */
const restWithinMs = 30 * 60_000;
const lookEveryMs = 5_000;
/** Of errors, where somebody reads what happens. */
const stackFrames = 10;

/** Lives one plan through, from the first event to rest. */
export async function run(plan: Plan, tell?: (line: string) => void): Promise<RunResult> {
  const world = createWorld(plan, tell);
  const log = createTopicLog(world);
  let done = { events: 0, deliveries: 0 };
  const unheard: unknown[] = [];
  const onUnheard = (error: unknown) => unheard.push(error);
  process.on('unhandledRejection', onUnheard);
  const reached = await withoutMachine(world.nowMs, tell === undefined ? 0 : stackFrames, async () => {
    try {
      done = await live(world, log);
    } catch (error) {
      // By a row, say, that the witness cannot read. Without this the thread would wait for ever.
      const stack = error instanceof Error ? error.stack : undefined;
      world.violated('nothing is thrown in the world', stack ?? String(error));
    }
  });
  // Node tells of rejections that nobody heard once nothing else is to be done.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', onUnheard);
  for (const error of unheard) world.violated('no rejection is unheard', String(error));
  for (const { what } of reached) world.violated('nothing reads the machine', what);
  let records = 0;
  for (const { partitions } of log.topics.values()) {
    for (const partition of partitions) records += partition.records.length;
  }
  const { violation, steps, struck } = world;
  const livedMs = world.nowMs() - beginningMs;
  return { plan, violation, ...done, records, steps, livedMs, struck };
}

/** How long it may take until records that no endpoint ever takes have had their attempts, each a probe of its own. */
function probesMs({ plan, struck }: World): number {
  const attempts = plan.subscriptions.map(
    ({ breaker, delaysMs }) => (delaysMs.length + 1) * breaker.openMsMax,
  );
  return (struck.get('event is never taken') ?? 0) * Math.max(...attempts);
}

async function live(world: World, log: TopicLog): Promise<{ events: number; deliveries: number }> {
  const { plan } = world;
  const proxy = createProxy(world, log);
  const tables = createTables(world);
  const proofs = createProofs(world);
  const endpoints = createEndpoints(world, proofs);
  const replays = createReplays(world);
  const configurations = createConfigurations(world);
  if (!plan.ingest.createsTopic) log.create(topics.orders, plan.partitions);
  log.create(topics.metrics, plan.partitions);
  const start = (instance: Instance) =>
    startApp({ world, proxy, tables, endpoints, proofs, replays, configurations }, instance);
  const host = startHost(world, start);
  const queue = createQueue(world, host);
  const work = startWork(world, host);
  const witness: InWitness = { world, log, tables, proxy, work };
  const addedAgain = watchIn(witness);
  const out = watchOut({ ...witness, configurations }, endpoints);
  watchEndpoints(world, { tables, endpoints, configurations });
  watchRedrives(world, { tables, endpoints });
  proofs.watch(endpoints);
  watchSecrets(world, witness);
  let deliveries = 0;
  endpoints.onArrival(() => {
    deliveries += 1;
  });

  host.timer('flushOutbox', flushEveryMs, async ({ bridge, invocation }) => {
    await bridge.ingest.flush(invocation());
  });
  host.timer('drain', drainEveryMs, async ({ bridge, invocation }) => {
    if (plan.drainMode === 'inline') await bridge.drain.run(invocation());
    else queue.put(await bridge.drain.plan(invocation()));
  });
  const operators = startOperators(world, { start, tables, log, replays });
  startIngestRedrives(world, start);
  startStrangers(world, log);
  startWeather(world, { proxy, tables, endpoints, log });

  await world.live(beginningMs + plan.minutes * 60_000);
  world.heal();
  let unrest: string | undefined;
  const look = () => {
    unrest = restlessIn(witness) ?? restlessOut(out);
    if (unrest !== undefined) world.after(lookEveryMs, look);
  };
  look();
  const withinMs = restWithinMs + probesMs(world);
  const came = await world.live(world.nowMs() + withinMs, () => unrest === undefined);
  if (!came) {
    world.violated('the world comes to rest', `not within ${withinMs / 60_000} minutes: ${unrest}`);
  }
  if (world.violation === undefined) checkIn(witness, addedAgain);
  if (world.violation === undefined) checkOut(out);
  operators.checkAnswered();
  return { events: work.events.length, deliveries };
}
