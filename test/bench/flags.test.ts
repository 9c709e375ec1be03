import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFlags } from './flags.ts';

test('without flags everything the figures need is run, three rounds of it', () => {
  const { plan, memoryEvents, json, check } = readFlags(['ingest']);
  assert.deepEqual(plan.connections, [1, 16, 64, 256]);
  assert.ok(plan.rounds >= 3);
  assert.deepEqual({ memoryEvents, json, check }, { memoryEvents: undefined, json: false, check: false });
});

test('flags say what to measure', () => {
  assert.deepEqual(readFlags(['ingest', '--connections', '64,256']).plan.connections, [64, 256]);
  assert.equal(readFlags(['ingest', '--memory']).memoryEvents, 1_000_000);
  assert.equal(readFlags(['ingest', '--memory', '--events', '5000']).memoryEvents, 5_000);
});

test('a command line that cannot be followed is told what would be right', () => {
  const cases: [string[], RegExp][] = [
    [[], /npm run bench -- ingest/],
    [['drain'], /npm run bench -- ingest/],
    [['ingest', '--fast'], /--fast/],
    [['ingest', '--connections', '64,many'], /integers from 1 to 1024, not "many"/],
    [['ingest', '--memory', '--events', '5'], /integers from 1000/],
    [['ingest', '--events', '5000'], /add --memory/],
    [['ingest', '--memory', '--json'], /--memory goes with/],
  ];
  for (const [args, message] of cases) assert.throws(() => readFlags(args), { code: 'bench.flags', message });
});
