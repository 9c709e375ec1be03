import { parseArgs } from 'node:util';
import { describeError } from '../../src/shared/error.ts';
import { findMutants, type MutantResult, mutantSeedsMax } from './mutants/mutants.ts';
import { planOf } from './plan.ts';
import { createProgress, timeLeft } from './progress.ts';
import { run } from './run.ts';
import { runSeeds, type Tally } from './seeds.ts';
import { shrink, shrinkRunsMax } from './shrink.ts';
import { describePlan, tellTimeline, withoutIdleTimers } from './timeline.ts';

const usage = `Lives seeded worlds in which everything fails, and looks for broken promises.

Usage: npm run simulate -- [flags] [names of mutants]

  --seeds N      how many worlds (2000); the first broken promise is shown by its shortest history
  --from N       the first seed (1)
  --seed N       one world, with its whole timeline
  --minutes M    virtual minutes until all faults stop
  --workers N    processes (one for each processor)
  --failures N   stop after so many broken promises (10)
  --no-shrink    do not look for the shortest history
  --mutants      put deliberate faults into the code, and tell how many seeds it takes to find each
  --json         end with one line of JSON
  --no-progress  do not tell on stderr how far it has come
  --help         print this

Exit code: 0 all is well, 1 a promise was broken or a mutant was not found, 2 the command line is wrong.
`;

const options = {
  seeds: { type: 'string', default: '2000' },
  from: { type: 'string', default: '1' },
  seed: { type: 'string' },
  minutes: { type: 'string' },
  workers: { type: 'string' },
  failures: { type: 'string', default: '10' },
  json: { type: 'boolean', default: false },
  mutants: { type: 'boolean', default: false },
  'no-shrink': { type: 'boolean', default: false },
  'no-progress': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

const { values, positionals } = readFlags();

function readFlags() {
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    return refuse(describeError(error));
  }
}

function refuse(message: string): never {
  console.error(`${message}\n\n${usage}`);
  process.exit(2);
}

/** Lines of a timeline that are shown of a failure; `--seed` shows all. */
const shownLinesMax = 300;

const progress = createProgress({
  stream: values['no-progress'] ? { write: () => undefined } : process.stderr,
  nowMs: () => performance.now(),
});

const minutes = values.minutes === undefined ? {} : { minutes: integer('minutes', values.minutes) };
if (values.help) console.log(usage);
else if (values.mutants) process.exitCode = await runMutants();
else if (values.seed !== undefined) process.exitCode = await runOne(integer('seed', values.seed));
else process.exitCode = await runMany();

async function runMany(): Promise<number> {
  const startedAtMs = performance.now();
  const seeds = {
    from: integer('from', values.from),
    count: integer('seeds', values.seeds),
    failuresMax: integer('failures', values.failures),
    ...minutes,
    ...(values.workers !== undefined && { workers: integer('workers', values.workers) }),
  };
  const tally = await runSeeds(seeds, ({ runs, failures }) => {
    const tookMs = performance.now() - startedAtMs;
    const broken = failures.length === 0 ? 'no promise broken' : `BROKEN: ${failures.length}`;
    const left = timeLeft({ done: runs, all: seeds.count, tookMs });
    const rate = ((runs * 1000) / tookMs).toFixed(1);
    progress.show(`${runs} of ${seeds.count} seeds, ${rate} runs/s, ${broken}, ${left}`);
  });
  progress.clear();
  const tookSeconds = (performance.now() - startedAtMs) / 1000;
  if (values.json) console.log(JSON.stringify({ ...tally, tookSeconds }));
  else showTally(tally, tookSeconds);
  const [first] = tally.failures;
  if (first === undefined) return 0;
  if (!values.json && !values['no-shrink']) await showShortest(first.seed);
  return 1;
}

function showTally(tally: Tally, tookSeconds: number): void {
  const { runs, events, records, deliveries, steps, livedMs, struck, failures } = tally;
  console.log(`${runs} runs in ${tookSeconds.toFixed(1)} s: ${(runs / tookSeconds).toFixed(1)} runs/s`);
  console.log(`${events} events, ${records} records, ${deliveries} deliveries, ${steps} steps`);
  console.log(`${(livedMs / 3_600_000).toFixed(1)} hours of virtual time`);
  console.log('faults injected:');
  for (const [fault, times] of Object.entries(struck).sort()) console.log(`  ${fault.padEnd(30)} ${times}`);
  if (failures.length === 0) console.log('no promise was broken');
  for (const { seed, invariant, detail } of failures) console.log(`seed ${seed}: ${invariant}: ${detail}`);
}

async function showShortest(seed: number): Promise<void> {
  console.log(`\nthe shortest history of seed ${seed} that was found:`);
  let runs = 0;
  const shortest = await shrink(await run(planOf(seed, minutes)), (plan) => {
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

async function runOne(seed: number): Promise<number> {
  const { result, lines, digest } = await tellTimeline(planOf(seed, minutes));
  const { plan, violation, events, records, deliveries } = result;
  if (values.json) {
    console.log(JSON.stringify({ plan, violation, events, records, deliveries, digest }));
    return violation === undefined ? 0 : 1;
  }
  console.log(describePlan(plan));
  console.log(lines.join('\n'));
  console.log(`${events} events, ${records} records, ${deliveries} deliveries; digest ${digest}`);
  if (violation === undefined) return 0;
  console.log(`broken: ${violation.invariant}: ${violation.detail}`);
  if (!values['no-shrink']) await showShortest(seed);
  return 1;
}

async function runMutants(): Promise<number> {
  const startedAtMs = performance.now();
  const onBegin = (name: string, { done, all }: { done: number; all: number }) => {
    const left = timeLeft({ done, all, tookMs: performance.now() - startedAtMs });
    progress.show(`mutant ${done + 1} of ${all}: ${name}; ${left}`);
  };
  const onResult = ({ name, seeds, invariant }: MutantResult) => {
    progress.clear();
    if (values.json) return;
    console.log(
      `${name.padEnd(50)} ${seeds === undefined ? 'NOT FOUND' : `seed ${seeds}`.padEnd(10)} ${invariant ?? ''}`,
    );
  };
  const results = await findMutants(positionals, { onBegin, onResult });
  const missed = results.filter(({ seeds }) => seeds === undefined);
  if (values.json) console.log(JSON.stringify(results));
  else
    console.log(
      `${results.length - missed.length} of ${results.length} found within ${mutantSeedsMax} seeds`,
    );
  return missed.length === 0 ? 0 : 1;
}

function integer(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) refuse(`--${name} must be a whole number, not "${text}"`);
  return number;
}
