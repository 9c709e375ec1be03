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

/** A timer that found nothing to do. */
const idle = / timer \S+ (?:fires|ends)$/;
/** So many idle lines in a row still read well. */
const idleLinesMax = 4;

/** The lines that somebody reads who looks for what went wrong: timers that find nothing to do count as one line. */
export function withoutIdleTimers(lines: readonly string[]): string[] {
  const kept: string[] = [];
  for (let from = 0; from < lines.length; ) {
    let to = from;
    while (idle.test(lines[to] ?? '')) to += 1;
    if (to - from > idleLinesMax)
      kept.push(`           (${to - from} lines of timers that find nothing to do)`);
    else kept.push(...lines.slice(from, Math.max(to, from + 1)));
    from = Math.max(to, from + 1);
  }
  return kept;
}

/** A plan in a few lines. */
export function describePlan(plan: Plan): string {
  const { faults, strikes, requests, subscriptions, ...rest } = plan;
  const rates = Object.entries(faults).map(([fault, rate]) => `  ${fault}: ${rate.toFixed(4)}`);
  return [
    JSON.stringify(rest),
    ...subscriptions.map((subscription) => JSON.stringify(subscription)),
    ...(strikes === undefined ? ['faults, by their rates:', ...rates] : ['the faults that it takes:']),
    ...[...(strikes ?? [])].map((strike) => `  ${strike}`),
    ...((strikes?.size ?? rates.length) === 0 ? ['  none'] : []),
    ...(requests === undefined ? [] : [`the requests that it takes: ${[...requests].join(' ')}`]),
  ].join('\n');
}
