/** `npm run bench -- ingest|drain`: measures, prints, and ends with 0 unless something broke or `--check` finds a miss. */
import { describeError } from '../../src/shared/error.ts';
import { compareDrain } from './drain/compare.ts';
import { watchDrainMemory } from './drain/memory.ts';
import * as drainReport from './drain/report.ts';
import { judge as judgeDrain } from './drain/wanted.ts';
import { type BenchFlags, readFlags, usage } from './flags.ts';
import { describeFlatness } from './flat.ts';
import { compareIngest } from './ingest/compare.ts';
import { watchIngestMemory } from './ingest/memory.ts';
import * as ingestReport from './ingest/report.ts';
import { judge as judgeIngest } from './ingest/wanted.ts';
import type { Verdict } from './wanted.ts';

/** Runs what is asked for; true when everything wanted was reached. */
async function run(flags: BenchFlags): Promise<boolean> {
  if (flags.memoryCount !== undefined) {
    const watch = flags.bench === 'drain' ? watchDrainMemory : watchIngestMemory;
    const watched = await watch(flags.memoryCount, print);
    print(describeFlatness(watched));
    return watched.flat;
  }
  const { report, json, verdicts } = flags.bench === 'drain' ? await runDrain(flags) : await runIngest(flags);
  print(report);
  if (flags.json) print(json);
  return verdicts.every(({ met }) => met);
}

interface Outcome {
  readonly report: string;
  readonly json: string;
  readonly verdicts: readonly Verdict[];
}

async function runIngest({ plan }: Extract<BenchFlags, { bench: 'ingest' }>): Promise<Outcome> {
  const rows = await compareIngest(plan, printAside);
  const report = ingestReport.describeComparison(plan, rows);
  return { report, json: ingestReport.comparisonJson(rows), verdicts: judgeIngest(rows) };
}

async function runDrain({ plan }: Extract<BenchFlags, { bench: 'drain' }>): Promise<Outcome> {
  const rows = await compareDrain(plan, printAside);
  const report = drainReport.describeComparison(plan, rows);
  return { report, json: drainReport.comparisonJson(rows), verdicts: judgeDrain(rows) };
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** What is going on, and what the parts complain about. */
function printAside(line: string): void {
  process.stderr.write(`${line}\n`);
}

try {
  const flags = readFlags(process.argv.slice(2));
  if (flags.help) process.stdout.write(usage);
  else {
    const reached = await run(flags);
    process.exitCode = flags.check && !reached ? 1 : 0;
  }
} catch (error) {
  printAside(`The benchmark could not run: ${describeError(error)}`);
  process.exitCode = 2;
}
