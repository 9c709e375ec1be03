import { createHash } from 'node:crypto';
import type { Plan } from './plan.ts';
import { type RunResult, run } from './run.ts';

/** Everything that happened in a run, a line each. */
export interface Timeline {
  readonly result: RunResult;
  readonly lines: readonly string[];
  /** Changes with any byte of any line. */
  readonly digest: string;
}

/** Runs a plan and keeps its timeline. */
export async function tellTimeline(plan: Plan): Promise<Timeline> {
  const lines: string[] = [];
  const result = await run(plan, (line) => lines.push(line));
  const digest = createHash('sha256').update(lines.join('\n')).digest('hex');
  return { result, lines, digest };
}

/** A plan in a few lines. */
export function describePlan(plan: Plan): string {
  const { faults, ...rest } = plan;
  const rates = Object.entries(faults).map(([fault, rate]) => `  ${fault}: ${rate.toFixed(4)}`);
  return [JSON.stringify(rest), ...(rates.length === 0 ? ['  no faults'] : rates)].join('\n');
}
