import { parseArgs } from 'node:util';
import { SluiceError } from '../../src/shared/error.ts';
import type { Plan } from './ingest.ts';

export const usage = `Measures how fast events are taken in.

Usage: npm run bench -- ingest [flags]

  --json            end with one line of JSON
  --connections N,N how many connections to measure at (1,16,64,256)
  --quick           one short round at 16 connections: only to see that it works
  --memory          send events through the bridge and watch its memory instead
  --events N        how many events --memory sends (1000000)
  --check           exit with 1 when a wanted figure is missed, or memory is not flat
  --help            print this
`;

/** What the command line asks for. */
export interface BenchFlags {
  readonly help: boolean;
  readonly json: boolean;
  readonly check: boolean;
  /** How many events to send while memory is watched; undefined: compare instead. */
  readonly memoryEvents: number | undefined;
  readonly plan: Plan;
}

const fullPlan: Plan = {
  connections: [1, 16, 64, 256],
  rounds: 5,
  // A host is up to its speed only after about so many.
  firstEvents: 20_000,
  warmUpMs: 500,
  measureMs: 1_500,
};
const quickPlan: Plan = { connections: [16], rounds: 1, firstEvents: 100, warmUpMs: 100, measureMs: 200 };
const connectionsMax = 1_024;
const eventsMin = 1_000;
const eventsMax = 1_000_000_000;

/** Reads the command line. @throws {SluiceError} saying what would be right. */
export function readFlags(args: readonly string[]): BenchFlags {
  const { values, positionals } = parse(args);
  const { help, json, check, quick, memory, events, connections } = values;
  if (!help && (positionals.length !== 1 || positionals[0] !== 'ingest')) {
    throw wrong('say what to measure: npm run bench -- ingest');
  }
  if (memory && (json || quick || connections !== undefined)) {
    throw wrong('--memory goes with --events and --check only');
  }
  if (events !== undefined && !memory) throw wrong('--events says how many --memory sends: add --memory');
  const plan = quick ? quickPlan : fullPlan;
  return {
    help,
    json,
    check,
    memoryEvents: memory ? readInteger('--events', events ?? '1000000', eventsMin, eventsMax) : undefined,
    plan:
      connections === undefined
        ? plan
        : {
            ...plan,
            connections: connections
              .split(',')
              .map((text) => readInteger('--connections', text, 1, connectionsMax)),
          },
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        connections: { type: 'string' },
        quick: { type: 'boolean', default: false },
        memory: { type: 'boolean', default: false },
        events: { type: 'string' },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw wrong(line);
  }
}

function readInteger(flag: string, text: string, min: number, max: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (value >= min && value <= max) return value;
  throw wrong(`${flag} must be integers from ${min} to ${max}, not "${text}"`);
}

function wrong(message: string): SluiceError {
  return new SluiceError({ code: 'bench.flags', message: `${message}; see --help`, retryable: false });
}
