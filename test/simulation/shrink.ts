import type { Plan } from './plan.ts';
import type { RunResult } from './run.ts';
import { pushedMax, pushedName } from './work/triggers.ts';
import type { Fault } from './world/faults.ts';
import { strikeOf } from './world/world.ts';

/** Runs that shrinking makes at most. */
export const shrinkRunsMax = 1_500;

/**
 * Looks for a shorter history that ends in the same broken promise: fewer kinds of faults, fewer subscriptions, events
 * and instances, less time; then fewer strikes of the faults and fewer requests of those that are left, down to those
 * without which it does not happen. Each plan tried is a run of its own; one that still fails takes the place of the last.
 *
 * @param run lives a plan; called `shrinkRunsMax` times at most.
 */
export async function shrink(failed: RunResult, run: (plan: Plan) => Promise<RunResult>): Promise<RunResult> {
  let runs = 0;
  const fails = async (plan: Plan) => {
    if (runs >= shrinkRunsMax) return undefined;
    runs += 1;
    const result = await run(plan);
    return result.violation?.invariant === failed.violation?.invariant ? result : undefined;
  };
  const smaller = await withLess(failed, fails);
  const strikes = [...smaller.struck].flatMap(([fault, times]) =>
    Array.from({ length: times }, (_, index) => strikeOf(fault, index + 1)),
  );
  const struck = await withFewer(smaller, 'strikes', strikes, fails);
  const sent = await withFewer(struck, 'requests', requestsOf(struck.plan), fails);
  // What is not needed for those that are left may go now, too.
  return withLess(sent, fails);
}

type Fails = (plan: Plan) => Promise<RunResult | undefined>;

async function withLess(failed: RunResult, fails: Fails): Promise<RunResult> {
  let best = failed;
  for (let found: RunResult | undefined = best; found !== undefined; ) {
    found = undefined;
    for (const plan of smallerPlans(best.plan)) {
      found = await fails(plan);
      if (found === undefined) continue;
      best = found;
      break;
    }
  }
  return best;
}

/** Leaves out some of what happens, many at once in the beginning, one by one in the end. */
async function withFewer(
  failed: RunResult,
  of: 'strikes' | 'requests',
  names: readonly string[],
  fails: Fails,
): Promise<RunResult> {
  let left = names;
  let best: RunResult = { ...failed, plan: { ...failed.plan, [of]: new Set(left) } };
  for (let size = Math.ceil(left.length / 2); size >= 1; size = size > 1 ? Math.ceil(size / 2) : 0) {
    for (let from = 0; from < left.length; ) {
      const fewer = left.toSpliced(from, size);
      const found = await fails({ ...best.plan, [of]: new Set(fewer) });
      if (found === undefined) from += size;
      else {
        best = found;
        left = fewer;
      }
    }
  }
  return best;
}

/** Names of events with which requests may begin. */
function requestsOf({ producers, events }: Plan): string[] {
  const numbers = Array.from({ length: events }, (_, index) => index + 1);
  const ofProducers = Array.from({ length: producers }, (_, index) =>
    numbers.map((number) => `p${index}-${number}`),
  );
  return [...ofProducers.flat(), ...Array.from({ length: pushedMax }, (_, index) => pushedName(index + 1))];
}

/** Plans with less in them, the boldest first. */
function* smallerPlans(plan: Plan): Generator<Plan> {
  const faults = Object.keys(plan.faults) as Fault[];
  for (let size = faults.length; size >= 1; size = size > 1 ? Math.ceil(size / 2) : 0) {
    for (let from = 0; from < faults.length; from += size) {
      yield { ...plan, faults: without(plan.faults, faults.slice(from, from + size)) };
    }
  }
  if (plan.subscriptions.length > 1) {
    for (const subscription of plan.subscriptions) yield { ...plan, subscriptions: [subscription] };
  }
  if (plan.instances > 1) yield { ...plan, instances: 1 };
  if (plan.instances > 2) yield { ...plan, instances: plan.instances - 1 };
  if (plan.producers > 1) yield { ...plan, producers: 1 };
  if (Object.keys(plan.proofs).length > 0) yield { ...plan, proofs: {} };
  if (plan.skewMs > 0) yield { ...plan, skewMs: 0 };
  if (plan.partitions > 1) yield { ...plan, partitions: 1 };
  if (plan.events > 1) yield { ...plan, events: Math.ceil(plan.events / 2) };
  if (plan.events > 1) yield { ...plan, events: plan.events - 1 };
  if (plan.minutes > 1) yield { ...plan, minutes: Math.ceil(plan.minutes / 2) };
}

function without(rates: Plan['faults'], dropped: readonly Fault[]): Plan['faults'] {
  return Object.fromEntries(Object.entries(rates).filter(([fault]) => !dropped.includes(fault as Fault)));
}
