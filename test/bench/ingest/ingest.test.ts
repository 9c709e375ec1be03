import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const timeoutMs = 60_000;

test('the benchmark runs, finds every acknowledged event at the proxy, and ends with one line of JSON', async () => {
  const args = ['test/bench/main.ts', 'ingest', '--quick', '--json'];
  const { stdout, stderr } = await run(process.execPath, args, { timeout: timeoutMs });
  assert.match(stdout, /Every acknowledged event was counted at the proxy/, stderr);
  assert.match(stdout, /^tight +16( +\d+){3}( +\d+\.\d){6}$/m);

  const { bench, runs } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  assert.equal(bench, 'ingest');
  assert.deepEqual(
    runs.map(({ proxy, connections }: Record<string, unknown>) => `${proxy} ${connections}`),
    ['tight 16', 'free 16'],
  );
  for (const { proxy: _, ...figures } of runs) {
    const names = ['connections', 'bridge', 'bare', 'ceiling', 'p99Bridge', 'p99Bare'];
    assert.deepEqual(Object.keys(figures), names);
    for (const [name, value] of Object.entries(figures)) assert.ok(Number(value) > 0, `${name} is ${value}`);
  }
});

test('memory is watched while events go through the bridge', async () => {
  const args = ['test/bench/main.ts', 'ingest', '--memory', '--events', '1000'];
  const { stdout } = await run(process.execPath, args, { timeout: timeoutMs });
  assert.equal(stdout.match(/events {2}RSS +\d+\.\d MiB/g)?.length, 10);
  assert.match(stdout, /^Memory is (not )?flat/m);
});
