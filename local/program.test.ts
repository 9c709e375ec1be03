import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';

/** Runs a program in a directory that holds nothing but local state. */
async function run(t: TestContext, file: string, ...args: readonly string[]) {
  const cwd = mkdtempSync(join(tmpdir(), 'sluice-program-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  mkdirSync(join(cwd, '.local'));
  const ended = await promisify(execFile)(process.execPath, [resolve(file), ...args], { cwd }).then(
    (output) => ({ code: 0, ...output }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );
  return { ...ended, left: readdirSync(cwd) };
}

for (const file of [
  'local/start.ts',
  'local/demo.ts',
  'local/sample.ts',
  'scripts/reset.js',
  'scripts/write-schema.ts',
]) {
  test(`${file} does nothing but say how it is used when it is asked that, or for what it does not know`, async (t) => {
    const help = await run(t, file, '--help');
    assert.deepEqual([help.code, help.stderr, help.left], [0, '', ['.local']]);
    assert.match(help.stdout, /^Usage: npm /m);
    for (const wrong of ['--nope', 'nope']) {
      const refused = await run(t, file, wrong);
      assert.deepEqual([refused.code, refused.stdout, refused.left], [2, '', ['.local']]);
      assert.match(refused.stderr, /nope/);
      assert.ok(refused.stderr.includes(help.stdout.trim()), refused.stderr);
    }
  });
}
