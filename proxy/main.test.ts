import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('main.ts', import.meta.url));

function run(t: TestContext, args: readonly string[]) {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

/** Resolves with the URL that the program prints when it is ready. */
async function urlOf(child: ChildProcess): Promise<string> {
  assert.ok(child.stdout);
  for await (const line of createInterface(child.stdout)) {
    const url = /https?:\S+/.exec(line)?.[0];
    if (url !== undefined) return url;
  }
  throw new Error('The program ended without a URL.');
}

test('what was answered survives the death of the program', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'proxy-main-'));
  t.after(() => rm(dir, { recursive: true }));
  const args = ['--no-auth', '--port', '0', '--data', join(dir, 'log.db')];
  const first = run(t, args);
  const firstUrl = await urlOf(first);
  await fetch(`${firstUrl}/v1/topics/orders`, { method: 'PUT' });
  for (const value of ['a', 'b', 'c']) {
    const body = JSON.stringify({ records: [{ value }] });
    const { status } = await fetch(`${firstUrl}/v1/producer/topics/orders`, { method: 'POST', body });
    assert.equal(status, 200);
  }
  first.kill('SIGKILL');
  await once(first, 'exit');

  const second = run(t, args);
  const path = '/v1/consumer/topics/orders/partitions/0/offsets/0?count=9';
  const response = await fetch(`${await urlOf(second)}${path}`);
  const { records } = (await response.json()) as { records: { value: string }[] };
  assert.deepEqual(
    records.map(({ value }) => value),
    ['a', 'b', 'c'],
  );
  second.kill('SIGTERM');
  assert.deepEqual(await once(second, 'exit'), [0, null]);
});

test('a command line that cannot be followed is one line on the error output and exit code 2', async (t) => {
  const child = run(t, ['--port', 'x', '--no-auth']);
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  assert.deepEqual(await once(child, 'close'), [2, null]);
  assert.match(errors, /^--port must be .*\n$/);
});
