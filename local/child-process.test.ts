import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startChild } from './child-process.ts';

/** Starts a program of this text; `printed` gathers its lines. */
function start(t: TestContext, text: string) {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-child-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const script = join(dir, 'child.mjs');
  writeFileSync(script, text);
  const printed: string[] = [];
  return { printed, started: startChild({ script, print: (line) => printed.push(line) }) };
}

test('what a child prints before it is ready is printed before the rest', async (t) => {
  const { printed, started } = start(
    t,
    `console.log('one');
     process.on('message', () => { console.log('two'); process.exit(3); });
     process.stdout.write('', () => process.send({ url: 'http://localhost:1' }));`,
  );
  const child = await started;
  assert.equal(child.url, 'http://localhost:1');
  child.process.send('go on');
  assert.equal(await child.exited, 3);
  await child.stop();
  assert.deepEqual(printed, ['one', 'two']);
});

test('what a child prints that never is ready is told once, by the error', async (t) => {
  const { printed, started } = start(t, `console.log('no configuration'); process.exitCode = 1;`);
  await assert.rejects(started, /ended \(exit code 1\) before it was ready; it printed:\nno configuration$/);
  assert.deepEqual(printed, []);
});

test('a configuration with many things wrong is told from its top', async (t) => {
  const { started } = start(
    t,
    `console.log('the file is wrong:');
     for (let n = 0; n < 200; n++) console.log('  - setting ' + n + ' is not set');
     process.exitCode = 1;`,
  );
  await assert.rejects(started, /it printed:\nthe file is wrong:\n {2}- setting 0 is not set\n/);
});
