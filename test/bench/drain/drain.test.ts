import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const timeoutMs = 120_000;

test('the benchmark runs, finds every record at the sink once, and ends with one line of JSON', async () => {
  const args = ['test/bench/main.ts', 'drain', '--quick', '--json', '--ordering', 'none'];
  const { stdout, stderr } = await run(process.execPath, args, { timeout: timeoutMs });
  assert.match(stdout, /Every record that was in a topic arrived at the sink, once/, stderr);

  const { bench, runs } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  assert.equal(bench, 'drain');
  assert.deepEqual(
    runs.map(({ ordering, batch, sinkMs }: Record<string, unknown>) => `${ordering} ${batch} ${sinkMs}`),
    ['none 1 0', 'none 1 50', 'none 100 0', 'none 100 50'],
  );
  for (const { ordering: _, ...figures } of runs) {
    const names = ['batch', 'sinkMs', 'bridge', 'ceiling', 'seed', 'tableWritesPer1000'];
    assert.deepEqual(Object.keys(figures), names);
    const { bridge, ceiling, seed } = figures;
    for (const [name, value] of Object.entries({ bridge, ceiling, seed })) {
      assert.ok(Number(value) > 0, `${name} is ${value}`);
    }
  }
});

test('memory is watched while a backlog of mixed sizes is drained', async () => {
  const args = ['test/bench/main.ts', 'drain', '--memory', '--records', '1000'];
  const { stdout } = await run(process.execPath, args, { timeout: timeoutMs });
  assert.equal(stdout.match(/records {2}RSS +\d+\.\d MiB/g)?.length, 10);
  assert.match(stdout, /^Memory is (not )?flat/m);
});
