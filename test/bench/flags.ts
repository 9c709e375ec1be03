import { integerOf, parseFlags, wrongFlags } from '../support/flags.ts';
import { casesOf, type DrainPlan, orderings } from './drain/cases.ts';
import type { IngestPlan } from './ingest/compare.ts';

/** What `--help` prints. */
export const usage = `Measures how fast events are taken in, and how fast records are delivered.

Usage: npm run bench -- ingest [flags]
       npm run bench -- drain [flags]

  --json            end with one line of JSON
  --quick           one short round (ingest: at 16 connections): only to see that it works
  --check           exit with 1 when a wanted figure is missed, or memory is not flat
  --help            print this

ingest:
  --connections N,N how many connections to measure at (1,16,64,256)
  --memory          send events through the bridge and watch its memory instead
  --events N        how many events --memory sends (1000000)

drain:
  --ordering O,O    which orderings to measure (key,none,partition)
  --memory          drain a backlog of records of up to 1 MB and watch the bridge's memory instead
  --records N       how many records stand there for --memory (1000000)
`;

/** What the command line asks for. */
export type BenchFlags = {
  readonly help: boolean;
  readonly json: boolean;
  readonly check: boolean;
  /** How many events or records go through while memory is watched; undefined: compare instead. */
  readonly memoryCount: number | undefined;
} & (
  | { readonly bench: 'ingest'; readonly plan: IngestPlan }
  | { readonly bench: 'drain'; readonly plan: DrainPlan }
);

const ingestPlan: IngestPlan = {
  connections: [1, 16, 64, 256],
  rounds: 5,
  // A host is up to its speed only after about so many.
  firstEvents: 20_000,
  warmUpMs: 500,
  measureMs: 1_500,
};
const quickIngestPlan: IngestPlan = {
  connections: [16],
  rounds: 1,
  firstEvents: 100,
  warmUpMs: 100,
  measureMs: 200,
};
const drainPlan: DrainPlan = {
  cases: casesOf(orderings),
  rounds: 3,
  records: 200_000,
  firstMs: 1_000,
  warmUpMs: 500,
  measureMs: 2_000,
  seedMs: 10_000,
};
const quickDrainPlan: DrainPlan = {
  ...drainPlan,
  rounds: 1,
  records: 12_000,
  firstMs: 50,
  warmUpMs: 50,
  measureMs: 100,
  seedMs: 200,
};
const connectionsMax = 1_024;
const countMin = 1_000;
const countMax = 1_000_000_000;
/** The sink keeps a bit for every record. */
const recordsMax = 10_000_000;
const countDefault = '1000000';

/** Reads the command line. @throws {SluiceError} saying what would be right. */
export function readFlags(args: readonly string[]): BenchFlags {
  const { values, positionals } = parseFlags(args, options);
  const { help, json, check, quick, memory, events, records, connections, ordering } = values;
  const [bench] = positionals;
  if (!help && (positionals.length !== 1 || (bench !== 'ingest' && bench !== 'drain'))) {
    throw wrongFlags('say what to measure: npm run bench -- ingest, or npm run bench -- drain');
  }
  if (bench === 'drain' ? (connections ?? events) : (ordering ?? records)) {
    throw wrongFlags('--connections and --events go with ingest, --ordering and --records with drain');
  }
  const [count, name, max] =
    bench === 'drain' ? [records, '--records', recordsMax] : [events, '--events', countMax];
  if (memory && (json || quick || (connections ?? ordering) !== undefined)) {
    throw wrongFlags(`--memory goes with ${name} and --check only`);
  }
  if (count !== undefined && !memory)
    throw wrongFlags(`${name} says how many go through for --memory: add --memory`);
  const memoryCount = memory ? integerOf(name, count ?? countDefault, { min: countMin, max }) : undefined;
  const common = { help, json, check, memoryCount };
  return bench === 'drain'
    ? { ...common, bench, plan: drainPlanOf(quick, ordering) }
    : { ...common, bench: 'ingest', plan: ingestPlanOf(quick, connections) };
}

function ingestPlanOf(quick: boolean, connections: string | undefined): IngestPlan {
  const plan = quick ? quickIngestPlan : ingestPlan;
  if (connections === undefined) return plan;
  const read = (text: string) => integerOf('--connections', text, { min: 1, max: connectionsMax });
  return { ...plan, connections: connections.split(',').map(read) };
}

function drainPlanOf(quick: boolean, ordering: string | undefined): DrainPlan {
  const plan = quick ? quickDrainPlan : drainPlan;
  if (ordering === undefined) return plan;
  const unknown = ordering.split(',').find((name) => !orderings.some((known) => known === name));
  if (unknown !== undefined)
    throw wrongFlags(`--ordering must be of ${orderings.join(', ')}, not "${unknown}"`);
  return { ...plan, cases: casesOf(orderings.filter((known) => ordering.split(',').includes(known))) };
}

const options = {
  json: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  check: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
  memory: { type: 'boolean', default: false },
  connections: { type: 'string' },
  events: { type: 'string' },
  ordering: { type: 'string' },
  records: { type: 'string' },
} as const;
