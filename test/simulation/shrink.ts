import type { Fault } from './faults.ts';
import type { Plan } from './plan.ts';
import { type RunResult, run } from './run.ts';

/** Runs that shrinking makes at most. */
const runsMax = 200;

/**
 * Looks for a shorter history that ends in the same broken promise: fewer kinds of faults, fewer events, fewer
 * instances, less time. Each plan tried is a run of its own; one that still fails takes the place of the last.
 */
export async function shrink(failed: RunResult): Promise<RunResult> {
  let best = failed;
  let runs = 0;
  for (let found = true; found; ) {
    found = false;
    for (const plan of smallerPlans(best.plan)) {
      if (runs >= runsMax) return best;
      runs += 1;
      const result = await run(plan);
      if (result.violation?.invariant !== failed.violation?.invariant) continue;
      best = result;
      found = true;
      break;
    }
  }
  return best;
}

/** Plans with less in them, the boldest first. */
function* smallerPlans(plan: Plan): Generator<Plan> {
  const faults = Object.keys(plan.faults) as Fault[];
  for (let size = faults.length; size >= 1; size = size > 1 ? Math.ceil(size / 2) : 0) {
    for (let from = 0; from < faults.length; from += size) {
      yield { ...plan, faults: without(plan.faults, faults.slice(from, from + size)) };
    }
  }
  if (plan.instances > 1) yield { ...plan, instances: 1 };
  if (plan.instances > 2) yield { ...plan, instances: plan.instances - 1 };
  if (plan.producers > 1) yield { ...plan, producers: 1 };
  if (plan.skewMs > 0) yield { ...plan, skewMs: 0 };
  if (plan.partitions > 1) yield { ...plan, partitions: 1 };
  if (plan.events > 1) yield { ...plan, events: Math.ceil(plan.events / 2) };
  if (plan.events > 1) yield { ...plan, events: plan.events - 1 };
  if (plan.minutes > 1) yield { ...plan, minutes: Math.ceil(plan.minutes / 2) };
}

function without(rates: Plan['faults'], dropped: readonly Fault[]): Plan['faults'] {
  return Object.fromEntries(Object.entries(rates).filter(([fault]) => !dropped.includes(fault as Fault)));
}
