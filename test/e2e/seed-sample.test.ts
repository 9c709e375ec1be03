import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePorts, type KafkaCloud, startKafkaCloud } from '../../local/stack.ts';

const sampleTimeoutMs = 60_000;
const installTimeoutMs = 180_000;
const python = process.platform === 'win32' ? 'python' : 'python3';
/** Kept for the next run; `npm run reset` removes it. */
const pythonDir = resolve('.local/python');
const ownPython = join(pythonDir, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
const pythonPackages = ['msal==1.39.0', 'requests==2.34.2'];

/** The sample waits 30 s before it lists topics for the first time, whether or not the new one is there. */
const runWithoutSleeping =
  'import runpy, sys, time; time.sleep = lambda seconds: None; runpy.run_path(sys.argv[1])';

/** The values that the seed's sample produces, as the consumer gives them back. */
const values = [
  '**********',
  '5',
  '3.14',
  '{"id":1,"name":"HDInsight Kafka REST proxy"}',
  '[{"id":1,"name":"HDInsight Kafka REST proxy 1"},{"id":2,"name":"HDInsight Kafka REST proxy 2"},{"id":3,"name":"HDInsight Kafka REST proxy 3"}]',
  '{"group id":1,"HDI Kafka REST":{"id":1,"name":"HDInsight Kafka REST proxy 1"},"HDI Kafka REST server info":{"id":1,"name":"HDInsight Kafka REST proxy 1","servers":[{"server id":1,"server name":"HDInsight Kafka REST proxy server 1"},{"server id":2,"server name":"HDInsight Kafka REST proxy server 2"},{"server id":3,"server name":"HDInsight Kafka REST proxy server 3"}]}}',
];

interface Ended {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, in this process's environment with `changes`. */
function run(
  file: string,
  args: readonly string[],
  changes: NodeJS.ProcessEnv = {},
  timeoutMs = sampleTimeoutMs,
): Promise<Ended> {
  const env = { ...process.env, ...changes };
  return new Promise((done) => {
    execFile(file, args, { env, timeout: timeoutMs }, (error, stdout, stderr) =>
      done({
        code: error === null ? 0 : (error.code ?? error.signal ?? 'unknown'),
        stdout,
        // A program that could not be started has said nothing itself.
        stderr: stderr || (error?.message ?? ''),
      }),
    );
  });
}

/** Settings of a proxy taken out of the environment, so that the sample must start one by itself. */
const noProxySettings = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) => name.startsWith('KAFKA_REST_'))
    .map((name) => [name, undefined]),
);

async function startKafka(t: TestContext): Promise<KafkaCloud> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-sample-'));
  const cloud = await startKafkaCloud({ dir, durable: false, ports: freePorts, visibilityDelayMs: 0 });
  t.after(async () => {
    await cloud.close();
    await rm(dir, { recursive: true });
  });
  return cloud;
}

/** What the topic that a sample made and named in its output holds. */
function recordsOf({ log }: KafkaCloud, output: string) {
  const topic = /hello_topic_[A-Za-z]{7}\b/.exec(output)?.[0];
  assert.ok(topic, `the output names no topic:\n${output}`);
  return log.allRecords(topic);
}

test('the sample needs no settings: it runs to its end against a proxy of its own and shows what came back', async () => {
  const { code, stdout, stderr } = await run(process.execPath, ['local/sample.ts'], noProxySettings);

  assert.equal(code, 0, stderr);
  const records = [
    ...stdout.matchAll(/^ {2}partition 0 {2}offset (\d+) {2}key (\S+) {2}value\s(.*(?:\n {4}.*)*)/gm),
  ];
  assert.deepEqual(
    records.map(([, offset, key]) => `${offset} ${key}`),
    ['0 key1', '1 (none)', '2 (none)', '3 (none)', '4 (none)', '5 (none)'],
  );
  assert.deepEqual(
    records.map(([, , , value = '']) => (/^\s*[[{]/.test(value) ? JSON.stringify(JSON.parse(value)) : value)),
    values,
  );
  assert.match(stdout, /Caught up with the producer at offset 6\n/);
  assert.match(stdout, /The sample has run to its end\.\n$/);
  assert.doesNotMatch(stdout + stderr, /eyJ/, 'a token begins with eyJ, and none may be shown');
});

test('the sample runs against the proxy that the settings name, and writes the six records there', async (t) => {
  const cloud = await startKafka(t);
  const { code, stdout, stderr } = await run(process.execPath, ['local/sample.ts'], {
    ...cloud.settings,
    NODE_EXTRA_CA_CERTS: cloud.certificate.certPath,
  });

  assert.equal(code, 0, stderr);
  assert.ok(stdout.startsWith(`Kafka REST proxy: ${cloud.proxy.url}\n`), stdout);
  assert.equal(recordsOf(cloud, stdout).length, 6);
});

test('the sample says in one line which settings are missing when only some are set', async () => {
  const ended = await run(process.execPath, ['local/sample.ts'], {
    ...noProxySettings,
    KAFKA_REST_URL: 'https://localhost',
    KAFKA_REST_CLIENT_ID: 'client',
  });

  assert.equal(ended.code, 1);
  assert.equal(ended.stdout, '');
  assert.match(ended.stderr, /^.*KAFKA_REST_TENANT_ID, KAFKA_REST_CLIENT_SECRET.*\n$/);
});

test("Microsoft's own Python sample runs to its end against the local proxy and token issuer", async (t) => {
  const interpreter = await findPython();
  if ('missing' in interpreter) return t.skip(interpreter.missing);
  const cloud = await startKafka(t);

  const { code, stdout, stderr } = await run(
    interpreter.path,
    ['-c', runWithoutSleeping, 'test/e2e/seed-sample.py'],
    {
      ...cloud.settings,
      REQUESTS_CA_BUNDLE: cloud.certificate.certPath,
      // An HTTP proxy that the environment may name cannot reach this machine's own ports.
      no_proxy: 'localhost',
    },
  );

  assert.equal(code, 0, stderr);
  assert.match(stdout, /Consumer caught up with producer/);
  assert.match(stdout, /Partition list: \n\{[\s\S]*"partition_id": 0,/);
  assert.match(stdout, /Partition metadata: \n\{[\s\S]*"latest_offset": 6,/);
  const records = recordsOf(cloud, stdout);
  assert.deepEqual(
    records.map(({ key }) => key),
    ['key1', null, null, null, null, null],
  );
  assert.deepEqual(
    records.map(({ value }) => (/^[[{]/.test(value) ? JSON.stringify(JSON.parse(value)) : value)),
    values,
  );
});

/** A Python that can run the sample: the one there is, or one with the packages installed beside the project. */
async function findPython(): Promise<{ readonly path: string } | { readonly missing: string }> {
  for (const path of [python, ownPython]) {
    if ((await run(path, ['-c', 'import msal, requests'])).code === 0) return { path };
  }
  const install = ['-m', 'pip', 'install', '--disable-pip-version-check', '--quiet', ...pythonPackages];
  for (const [file, args] of [
    [python, ['-m', 'venv', pythonDir]],
    [ownPython, install],
  ] as const) {
    const { code, stdout, stderr } = await run(file, args, {}, installTimeoutMs);
    const said = `${stdout}\n${stderr}`.trim().split('\n').at(-1);
    if (code !== 0)
      return { missing: `no Python with msal and requests: ${file} ended with ${code}: ${said}` };
  }
  return { path: ownPython };
}
