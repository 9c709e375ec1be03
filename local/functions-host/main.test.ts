import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fixtureRoot } from './test-host.ts';

/** An app of one file, in a directory of its own. */
function createApp(t: TestContext, files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'functions-app-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'functions'));
  symlinkSync(join(fixtureRoot, '..', '..', '..', '..', 'node_modules'), join(root, 'node_modules'));
  const base = {
    'package.json': '{ "type": "module", "main": "functions/*.js" }',
    'host.json': '{ "version": "2.0" }',
  };
  for (const [name, text] of Object.entries({ ...base, ...files })) writeFileSync(join(root, name), text);
  return root;
}

/** Runs the program; its output is complete once `ended` has resolved. */
function run(
  t: TestContext,
  root: string,
  env: Record<string, string> = {},
  args: string[] = ['--port', '0'],
) {
  const child: ChildProcess = fork(join(import.meta.dirname, 'main.ts'), ['--script-root', root, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { PATH: process.env.PATH, ...env },
  });
  t.after(() => child.kill('SIGKILL'));
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output.text += chunk;
    });
  }
  const ended = once(child, 'close').then(([code]) => code);
  return { child, output, ended };
}

async function readyUrl(child: ChildProcess): Promise<string> {
  const [{ url }] = await once(child, 'message');
  return url;
}

const showSettings = `
  import { app } from '@azure/functions';
  app.get('settings', { handler: () => ({ jsonBody: { free: process.env.FREE, taken: process.env.TAKEN } }) });
  app.hook.appStart(() => console.log('hook appStart'));
  app.hook.appTerminate(() => console.log('hook appTerminate'));
`;

test('the program tells its parent when it is ready, gives the app its settings and ends with 0 on SIGTERM', async (t) => {
  const root = createApp(t, {
    'functions/settings.js': showSettings,
    'local.settings.json':
      '{ "IsEncrypted": false, "Values": { "FREE": "from the file", "TAKEN": "from the file" } }',
  });
  const { child, output, ended } = run(t, root, { TAKEN: 'from the environment' });
  const url = await readyUrl(child);
  const answer = await fetch(`${url}/api/settings`);
  assert.deepEqual(await answer.json(), { free: 'from the file', taken: 'from the environment' });
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
  assert.match(
    output.text,
    /hook appStart[\s\S]*Functions:[\s\S]*settings: \[GET\] http:[\s\S]*Executed 'Functions.settings'[\s\S]*hook appTerminate/,
  );
});

test('SIGTERM lets a function that runs finish first', async (t) => {
  const root = createApp(t, {
    'functions/wait.js': `
      import { app } from '@azure/functions';
      app.get('wait', {
        handler: async () => {
          process.send('started');
          await new Promise((resolve) => process.once('SIGTERM', () => setImmediate(resolve)));
          return { body: 'finished' };
        },
      });
    `,
  });
  const { child, ended } = run(t, root);
  const url = await readyUrl(child);
  const started = once(child, 'message');
  const answer = fetch(`${url}/api/wait`);
  await started;
  child.kill('SIGTERM');
  assert.equal(await (await answer).text(), 'finished');
  assert.equal(await ended, 0);
});

for (const [what, files, message] of [
  [
    'a file that throws',
    { 'functions/a.js': 'throw new Error("no config");' },
    /a\.js failed to load: Error: no config/,
  ],
  ['no file to load', {}, /no file matches main of .*"functions\/\*\.js": build the app first/],
  [
    'a trigger the host does not know',
    {
      'functions/a.js': `import { app } from '@azure/functions'; app.cosmosDB('feed', { handler: () => 1 });`,
    },
    /function "feed": .* the type "cosmosDBTrigger"; it runs httptrigger, .* queuetrigger/,
  ],
  [
    'an output the host does not know',
    {
      'functions/a.js': `import { app, output } from '@azure/functions';
        app.get('put', { extraOutputs: [output.storageBlob({ path: 'a', connection: 'b' })], handler: () => 1 });`,
    },
    /function "put": .* "http" and "queue" only, not .*"blob"/,
  ],
  [
    'two functions of one name',
    {
      'functions/a.js': `import { app } from '@azure/functions'; for (const name of ['A', 'a']) app.get(name, () => 1);`,
    },
    /a function with id "a" has already been registered/,
  ],
  [
    'a reserved route',
    {
      'functions/a.js': `import { app } from '@azure/functions'; app.get('a', { route: 'administration/a', handler: () => 1 });`,
    },
    /function "a": the specified route conflicts with one or more built in routes/,
  ],
] as const) {
  test(`${what} ends the program with 1 and says why`, async (t) => {
    const { output, ended } = run(t, createApp(t, files));
    assert.equal(await ended, 1);
    assert.match(output.text, message);
  });
}

test('why a file fails to load is said once, and then where', async (t) => {
  const text = 'const wanted = {};\nthrow new TypeError(`the file is wrong:\\n  - proxy.url: is missing`);';
  const { output, ended } = run(t, createApp(t, { 'functions/a.js': text }));
  await ended;
  assert.match(
    output.text,
    /^functions-host: .*a\.js failed to load: TypeError: the file is wrong:\n {2}- proxy\.url: is missing\n {4}at .*a\.js:2/,
  );
  assert.equal(output.text.split('proxy.url').length, 2);
});

test('what was thrown on purpose is told without a stack', async (t) => {
  const text = `throw Object.assign(new Error('a setting is missing'), { code: 'config', retryable: false });`;
  const { output, ended } = run(t, createApp(t, { 'functions/a.js': text }));
  await ended;
  assert.match(output.text, /a\.js failed to load: Error: a setting is missing\n$/);
});

for (const [what, args, message] of [
  ['a port that is no port', ['--port', 'high'], /--port must be a number from 0 .* not "high"/],
  ['a flag that there is not', ['--auth'], /Unknown option '--auth'; the flags are --port N, --enable-auth/],
] as const) {
  test(`${what} ends the program with 1 and says what would be right`, async (t) => {
    const { output, ended } = run(t, createApp(t, {}), {}, [...args]);
    assert.equal(await ended, 1);
    assert.match(output.text, message);
  });
}
