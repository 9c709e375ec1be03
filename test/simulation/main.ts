/** `npm run simulate`: lives worlds and tells of the first promise that broke, or tries the simulator itself. */
import { describeError } from '../../src/shared/error.ts';
import { readFlags, type SimulateFlags, usage } from './flags.ts';
import { findMutants, type MutantResult, mutantSeedsMax } from './mutants/mutants.ts';
import { planOf } from './plan.ts';
import { createProgress, type Progress, timeLeft } from './progress.ts';
import { run } from './run.ts';
import { runSeeds, type Tally } from './seeds.ts';
import { shrink, shrinkRunsMax } from './shrink.ts';
import { describePlan, tellTimeline, withoutIdleTimers } from './timeline.ts';

type FlagsOf<Kind> = Extract<SimulateFlags, { kind: Kind }>;

/** Lines of a timeline that are shown of a failure; `--seed` shows all. */
const shownLinesMax = 300;

/** True when all is well. */
async function simulate(flags: SimulateFlags): Promise<boolean> {
  const progress = createProgress({
    stream: flags.showsProgress ? process.stderr : { write: () => undefined },
    nowMs: () => performance.now(),
  });
  switch (flags.kind) {
    case 'seeds':
      return runMany(flags, progress);
    case 'seed':
      return runOne(flags, progress);
    case 'mutants':
      return runMutants(flags, progress);
  }
}

async function runMany(flags: FlagsOf<'seeds'>, progress: Progress): Promise<boolean> {
  const startedAtMs = performance.now();
  const tally = await runSeeds(flags, ({ runs, failures }) => {
    const tookMs = performance.now() - startedAtMs;
    const broken = failures.length === 0 ? 'no promise broken' : `BROKEN: ${failures.length}`;
    const left = timeLeft({ done: runs, all: flags.count, tookMs });
    const rate = ((runs * 1000) / tookMs).toFixed(1);
    progress.show(`${runs} of ${flags.count} seeds, ${rate} runs/s, ${broken}, ${left}`);
  });
  progress.clear();
  const tookSeconds = (performance.now() - startedAtMs) / 1000;
  if (flags.json) console.log(JSON.stringify({ ...tally, struck: sorted(tally.struck), tookSeconds }));
  else showTally(tally, tookSeconds);
  const [first] = tally.failures;
  if (first !== undefined && !flags.json && flags.shrinks) await showShortest(first.seed, flags, progress);
  return first === undefined;
}

function showTally(tally: Tally, tookSeconds: number): void {
  const { runs, events, records, deliveries, steps, livedMs, struck, failures } = tally;
  console.log(`${runs} runs in ${tookSeconds.toFixed(1)} s: ${(runs / tookSeconds).toFixed(1)} runs/s`);
  console.log(`${events} events, ${records} records, ${deliveries} deliveries, ${steps} steps`);
  console.log(`${(livedMs / 3_600_000).toFixed(1)} hours of virtual time`);
  console.log('faults injected:');
  for (const [fault, times] of Object.entries(sorted(struck))) console.log(`  ${fault.padEnd(30)} ${times}`);
  if (failures.length === 0) console.log('no promise was broken');
  for (const { seed, invariant, detail } of failures) console.log(`seed ${seed}: ${invariant}: ${detail}`);
}

/** Threads end in any order; what is printed of the same seeds is the same. */
function sorted(struck: Tally['struck']): Tally['struck'] {
  return Object.fromEntries(Object.entries(struck).sort());
}

async function showShortest(
  seed: number,
  { minutes }: Pick<SimulateFlags, 'minutes'>,
  progress: Progress,
): Promise<void> {
  console.log(`\nthe shortest history of seed ${seed} that was found:`);
  let runs = 0;
  const shortest = await shrink(await run(planOf(seed, { minutes })), (plan) => {
    runs += 1;
    progress.show(`${runs} of at most ${shrinkRunsMax} shorter histories tried`);
    return run(plan);
  });
  progress.clear();
  const timeline = await tellTimeline(shortest.plan);
  const lines = withoutIdleTimers(timeline.lines);
  console.log(describePlan(shortest.plan));
  if (lines.length > shownLinesMax) console.log(`(the last ${shownLinesMax} of ${lines.length} lines)`);
  console.log(lines.slice(-shownLinesMax).join('\n'));
}

async function runOne(flags: FlagsOf<'seed'>, progress: Progress): Promise<boolean> {
  const { seed, minutes, json, shrinks } = flags;
  const { result, lines, digest } = await tellTimeline(planOf(seed, { minutes }));
  const { plan, violation, events, records, deliveries } = result;
  if (json) {
    console.log(JSON.stringify({ plan, violation, events, records, deliveries, digest }));
    return violation === undefined;
  }
  console.log(describePlan(plan));
  console.log(lines.join('\n'));
  console.log(`${events} events, ${records} records, ${deliveries} deliveries; digest ${digest}`);
  if (violation === undefined) return true;
  console.log(`broken: ${violation.invariant}: ${violation.detail}`);
  if (shrinks) await showShortest(seed, flags, progress);
  return false;
}

async function runMutants({ names, json }: FlagsOf<'mutants'>, progress: Progress): Promise<boolean> {
  const startedAtMs = performance.now();
  const onBegin = (name: string, { done, all }: { done: number; all: number }) => {
    const left = timeLeft({ done, all, tookMs: performance.now() - startedAtMs });
    progress.show(`mutant ${done + 1} of ${all}: ${name}; ${left}`);
  };
  const onResult = ({ name, seeds, invariant }: MutantResult) => {
    progress.clear();
    if (json) return;
    const found = seeds === undefined ? 'NOT FOUND' : `seed ${seeds}`.padEnd(10);
    console.log(`${name.padEnd(50)} ${found} ${invariant ?? ''}`);
  };
  const results = await findMutants(names, { onBegin, onResult });
  const missed = results.filter(({ seeds }) => seeds === undefined);
  const found = results.length - missed.length;
  if (json) console.log(JSON.stringify(results));
  else console.log(`${found} of ${results.length} found within ${mutantSeedsMax} seeds`);
  return missed.length === 0;
}

try {
  const flags = readFlags(process.argv.slice(2));
  if (flags.help) process.stdout.write(usage);
  else process.exitCode = (await simulate(flags)) ? 0 : 1;
} catch (error) {
  console.error(describeError(error));
  process.exitCode = 2;
}
