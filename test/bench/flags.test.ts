import assert from 'node:assert/strict';
import { test } from 'node:test';
import { casesOf, orderings } from './drain/cases.ts';
import { type BenchFlags, readFlags } from './flags.ts';

function ingest(...args: string[]) {
  return readFlags(['ingest', ...args]) as Extract<BenchFlags, { bench: 'ingest' }>;
}

function drain(...args: string[]) {
  return readFlags(['drain', ...args]) as Extract<BenchFlags, { bench: 'drain' }>;
}

test('without flags everything the figures need is run, three rounds of it', () => {
  const { plan, memoryCount, json, check } = ingest();
  assert.deepEqual(plan.connections, [1, 16, 64, 256]);
  assert.ok(plan.rounds >= 3);
  assert.deepEqual({ memoryCount, json, check }, { memoryCount: undefined, json: false, check: false });

  assert.deepEqual(drain().plan.cases, casesOf(orderings));
  assert.ok(drain().plan.rounds >= 3);
  assert.equal(drain().plan.records, 200_000);
});

test('flags say what to measure', () => {
  assert.deepEqual(ingest('--connections', '64,256').plan.connections, [64, 256]);
  assert.equal(ingest('--memory').memoryCount, 1_000_000);
  assert.equal(ingest('--memory', '--events', '5000').memoryCount, 5_000);
  assert.deepEqual(drain('--ordering', 'none,key').plan.cases, casesOf(['key', 'none']));
  assert.equal(drain('--memory', '--records', '5000').memoryCount, 5_000);
});

test('a command line that cannot be followed is told what would be right', () => {
  const cases: [string[], RegExp][] = [
    [[], /npm run bench -- ingest, or npm run bench -- drain/],
    [['outbox'], /npm run bench -- ingest/],
    [['ingest', '--fast'], /--fast/],
    [['ingest', '--connections', '64,many'], /--connections must be an integer from 1 to 1024, not "many"/],
    [['ingest', '--memory', '--events', '5'], /--events must be an integer from 1000 to/],
    [['ingest', '--events', '5000'], /add --memory/],
    [['ingest', '--memory', '--json'], /--memory goes with/],
    [['ingest', '--ordering', 'key'], /--ordering and --records with drain/],
    [['drain', '--connections', '64'], /--connections and --events go with ingest/],
    [['drain', '--ordering', 'any'], /of key, none, partition, not "any"/],
    [['drain', '--memory', '--ordering', 'key'], /--memory goes with --records/],
  ];
  for (const [args, message] of cases) assert.throws(() => readFlags(args), { code: 'flags.wrong', message });
});
