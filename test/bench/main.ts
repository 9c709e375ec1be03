/** `npm run bench -- ingest`: measures, prints, and ends with 0 unless something broke or `--check` finds a miss. */
import { describeError } from '../../src/shared/error.ts';
import { type BenchFlags, readFlags, usage } from './flags.ts';
import { compareIngest } from './ingest.ts';
import { rssGrowthMax, watchMemory } from './memory.ts';
import { comparisonJson, describeComparison } from './report.ts';
import { judge } from './wanted.ts';

/** Runs what is asked for; true when everything wanted was reached. */
async function run(flags: BenchFlags): Promise<boolean> {
  if (flags.memoryEvents !== undefined) return runMemory(flags.memoryEvents);
  const rows = await compareIngest(flags.plan, printAside);
  print(describeComparison(flags.plan, rows));
  if (flags.json) print(comparisonJson(rows));
  return judge(rows).every(({ met }) => met);
}

async function runMemory(events: number): Promise<boolean> {
  const { flat } = await watchMemory(events, print);
  const rule = `flat: the highest RSS of the second half is at most ${rssGrowthMax} times that of the first half`;
  print(`Memory is ${flat ? 'flat' : 'not flat'} (${rule}).`);
  return flat;
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
