import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { duration } from './table.ts';
import { openTestApp } from './test-app.ts';

const empty = {
  at: '2026-01-01T00:00:00.000Z',
  subscriptions: [],
  deadLetters: [],
  outbox: [],
  problems: [],
};
const partition = {
  topic: 'orders',
  partition: 0,
  nextOffset: '5',
  endOffset: '1205',
  missing: false,
  unread: false,
  lagRecords: 1_200,
  lagMs: 95_000,
  perMinute: 60,
  parked: { count: 2, nextAttempt: '2026-01-01T00:01:00.000Z' },
  retry: {
    failures: 1,
    since: '2025-12-31T23:59:55.000Z',
    nextAttempt: '2026-01-01T00:00:05.000Z',
    error: 'answered 503',
  },
  loss: { cause: 'retention', since: '2025-12-31T23:59:50.000Z', halted: true },
  gaps: [{ fromOffset: '0', toOffset: '2', at: '2025-12-31T22:00:00.000Z', cause: 'retention' }],
  lease: { owner: 'walk-1', until: '2026-01-01T00:00:30.000Z' },
};
const broken = {
  state: 'broken',
  since: '2025-12-31T23:00:00.000Z',
  why: '18 of 20 failed',
  probeAt: '2026-01-01T00:00:20.000Z',
  openings: 2,
};
const status = {
  ...empty,
  subscriptions: [
    {
      name: 'billing',
      endpoint: broken,
      lagRecords: 1_200,
      lagMs: 95_000,
      parked: 2,
      partitions: [partition],
    },
  ],
  deadLetters: [{ origin: 'billing', open: 1_000, more: true }],
  outbox: [{ topic: 'orders', batches: 1, records: 3, more: false, attempts: 2, error: 'no answer' }],
  problems: ['topic x: no such topic'],
};

test('status shows what is stuck and why', async (t) => {
  const app = await openTestApp(t, { status: [{ body: status }] });
  const { code, out } = await app.run(['status']);
  assert.equal(code, 0);
  assert.equal(
    out,
    `billing  broken since 1h 00m ago: 18 of 20 failed, probes in 20s
  PARTITION  NEXT   END    LAG     AGE  PARKED  PER MIN  NOW
  orders:0      5  1205  1,200  1m 35s       2       60  waits since 5s ago, next attempt in 5s: answered 503; loss (retention) seen 10s ago: resume passes it; walked by walk-1; parked: next attempt in 1m 00s
  gap in orders:0: 0 up to 2 (retention), seen 2h 00m ago

Dead letters (open): billing 1,000+

Outbox: orders 3 records (no answer)

Could not be looked at: topic x: no such topic`,
  );
});

test('status says which partitions Kafka does not show, and which are not read any more', async (t) => {
  const quiet = { lagMs: null, perMinute: null, retry: null, loss: null, gaps: [], lease: null };
  const gone = { ...partition, ...quiet, partition: 3, missing: true };
  const left = { ...partition, ...quiet, topic: 'old', unread: true };
  const app = await openTestApp(t, {
    status: [
      { body: { ...status, subscriptions: [{ ...status.subscriptions[0], partitions: [gone, left] }] } },
    ],
  });
  const { out } = await app.run(['status']);
  assert.match(out, /orders:3 +5 +1205 +1,200 +- +2 +- +missing: Kafka does not show it; parked: next/);
  assert.match(out, /old:0 .* not read any more: what is parked stays so\n/);
});

test('with --json a command prints one document', async (t) => {
  const app = await openTestApp(t, { status: [{ body: status }] });
  const { out } = await app.run(['status', 'billing', '--json']);
  assert.deepEqual(JSON.parse(out), status);
});

test('status of a subscription that is not there names those that are', async (t) => {
  const app = await openTestApp(t, { status: [{ body: status }] });
  const { code, err } = await app.run(['status', 'bling']);
  assert.deepEqual([code, err], [1, 'there is no subscription "bling"; there are: billing']);
});

test('status says unknown, and fails, where storage is away', async (t) => {
  const away = { ...empty, deadLetters: null, outbox: null, problems: ['subscription billing: no answer'] };
  const app = await openTestApp(t, { status: [{ body: away }] });
  const { code, out } = await app.run(['status']);
  assert.equal(code, 1);
  assert.match(out, /Dead letters \(open\): unknown\n\nOutbox: unknown\n\n.*subscription billing: no answer/);
  const one = await app.run(['status', 'billing']);
  assert.deepEqual([one.code, /could not be looked at: subscription billing/.test(one.err)], [1, true]);
});

const view = { state: 'active', since: null, why: '', probeAt: null, openings: 0 };
const disabled = { ...view, state: 'disabled', why: 'answered 410' };

for (const [args, path, body, reply, out] of [
  [
    ['pause', 'billing', '--why', 'x y'],
    'pause',
    { subscription: 'billing', why: 'x y' },
    { subscription: 'billing', before: view, now: { ...view, state: 'paused', why: 'x y' } },
    'billing: was active, is paused (x y)',
  ],
  [
    ['resume', 'billing'],
    'resume',
    { subscription: 'billing' },
    { subscription: 'billing', before: disabled, now: view },
    'billing: was disabled (answered 410), is active',
  ],
  [
    ['seek', 'billing', '--to', 'offset:7', '--topic', 'orders', '--partition', '0'],
    'seek',
    { subscription: 'billing', to: 'offset:7', topic: 'orders', partition: 0 },
    {
      subscription: 'billing',
      partitions: [{ topic: 'orders', partition: 0, before: '12', now: '7', endOffset: '20', parked: 1 }],
    },
    'PARTITION  BEFORE  NOW  END  PARKED\norders:0       12    7   20       1',
  ],
  [
    ['test-event', 'billing'],
    'test-event',
    { subscription: 'billing' },
    { subscription: 'billing', outcome: 'delivered', status: 204, latencyMs: 8, answer: '', event: {} },
    'delivered\nanswered 204 in 8 ms: (no body)',
  ],
] as const) {
  test(`sluice ${args[0]} asks the app for it and says what came of it`, async (t) => {
    const app = await openTestApp(t, { [path]: [{ body: reply }] });
    assert.deepEqual(await app.run(args), { code: 0, out, err: '' });
    assert.deepEqual(app.seen, [{ method: 'POST', path: `/api/admin/${path}`, key: undefined, body }]);
  });
}

test('a test event that was not delivered is exit code 1', async (t) => {
  const failed = { outcome: 'failed', status: 500, latencyMs: 3, answer: 'oops', error: 'answered 500' };
  const app = await openTestApp(t, { 'test-event': [{ body: failed }] });
  const { code, out } = await app.run(['test-event', 'billing']);
  assert.deepEqual([code, out], [1, 'failed\nanswered 500 in 3 ms: oops']);
  const silent = { outcome: 'failed', status: null, latencyMs: 15, answer: 'no answer', error: 'no answer' };
  const away = await openTestApp(t, { 'test-event': [{ body: silent }] });
  assert.equal((await away.run(['test-event', 'billing'])).out, 'failed\nno answer');
});

test('what others have written does not steer the terminal', async (t) => {
  const outcome = { subscription: 'billing', outcome: 'failed', status: 500, latencyMs: 8, event: {} };
  const answer = '\u001b[2J\u009b31m\r\u0007é\nnext';
  const app = await openTestApp(t, { 'test-event': [{ body: { ...outcome, answer } }] });
  const { out } = await app.run(['test-event', 'billing']);
  assert.equal(out, 'failed\nanswered 500 in 8 ms: \\u001b[2J\\u009b31m\\u000d\\u0007é\nnext');
  const { out: json } = await app.run(['test-event', 'billing', '--json']);
  assert.doesNotMatch(json, /\p{Cc}/u);
  assert.equal(JSON.parse(json).answer, answer);
});

const letter = {
  origin: 'billing',
  key: 'orders:0:7',
  id: 'orders_0_7',
  at: '2026-01-01T00:00:00.000Z',
  state: 'open',
  attemptCount: 3,
  reason: { code: 'delivery.refused', message: 'answered 422' },
};

test('dead letters are listed page by page, up to the number asked for', async (t) => {
  const pages = [
    { body: { letters: [letter, letter], next: 'billing orders:0:7' } },
    { body: { letters: [letter], next: 'billing orders:0:9' } },
  ];
  const app = await openTestApp(t, { deadletters: pages });
  const { code, out } = await app.run(['deadletters', 'list', '--origin', 'billing', '--max', '3']);
  assert.equal(code, 0);
  assert.equal(out.split('\n').length, 5);
  assert.match(
    out,
    /^ORIGIN +KEY +AT +STATE +ATTEMPTS +WHY\nbilling {2}orders:0:7 .* open +3 {2}delivery.refused: answered 422\n/,
  );
  assert.match(out, /and more: --max shows them$/);
  assert.deepEqual(
    app.seen.map(({ path }) => path),
    [
      '/api/admin/deadletters?origin=billing&max=3',
      '/api/admin/deadletters?origin=billing&max=1&after=billing+orders%3A0%3A7',
    ],
  );
});

test('a dead letter is shown whole', async (t) => {
  const app = await openTestApp(t, { deadletter: [{ body: { ...letter, payload: '{}' } }] });
  const { out } = await app.run(['deadletters', 'get', 'billing', 'orders:0:7']);
  assert.deepEqual(JSON.parse(out), { ...letter, payload: '{}' });
});

test('a redrive goes on until all are done; one that fails is shown and is exit code 1', async (t) => {
  const pages = [
    { body: { origin: 'billing', letters: [{ key: 'a', outcome: 'redriven' }], next: 'a' } },
    {
      body: {
        origin: 'billing',
        letters: [{ key: 'a2', outcome: 'failed', error: 'answered 503' }],
        next: 'a2',
      },
    },
    {
      body: {
        origin: 'billing',
        letters: [{ key: 'b', outcome: 'busy', error: 'somebody else has taken it on' }],
        next: null,
      },
    },
  ];
  const app = await openTestApp(t, { 'deadletters/redrive': pages });
  const { code, out, err } = await app.run(['deadletters', 'redrive', 'billing', '--all']);
  assert.equal(code, 1);
  assert.equal(
    out,
    '1 of 3 done\n\nKEY  OUTCOME  WHY\na2   failed   answered 503\nb    busy     somebody else has taken it on',
  );
  assert.equal(err, 'letters so far: 1\nletters so far: 2, 1 of them failed: answered 503');
  assert.deepEqual(
    app.seen.map(({ body }) => body),
    [
      { origin: 'billing', max: 500 },
      { origin: 'billing', max: 500, after: 'a' },
      { origin: 'billing', max: 500, after: 'a2' },
    ],
  );
});

test('a redrive that finds nothing to do says so', async (t) => {
  const body = { origin: 'bling', letters: [], next: null };
  const app = await openTestApp(t, { 'deadletters/redrive': [{ body }] });
  const { code, out } = await app.run(['deadletters', 'redrive', 'bling', '--all']);
  assert.deepEqual([code, out], [0, 'bling has no open dead letters']);
});

const spared = { why: 'the endpoint is left alone for a while', goOnInMs: 12_000 };

test('a redrive waits by itself for a receiver that asks for it, and goes on', async (t) => {
  const pages = [
    { body: { origin: 'billing', letters: [{ key: 'a', outcome: 'redriven' }], next: 'a', stopped: spared } },
    { body: { origin: 'billing', letters: [{ key: 'b', outcome: 'redriven' }], next: null } },
  ];
  const app = await openTestApp(t, { 'deadletters/redrive': pages });
  const { code, out, err } = await app.run(['deadletters', 'redrive', 'billing', '--all', '--force']);
  assert.deepEqual([code, out, app.sleeps], [0, '2 of 2 done', [12_000]]);
  assert.equal(err, 'letters so far: 1\nthe endpoint is left alone for a while; going on in 12s');
  assert.deepEqual(
    app.seen.map(({ body }) => body),
    [
      { origin: 'billing', max: 500, force: true },
      { origin: 'billing', max: 500, after: 'a', force: true },
    ],
  );
});

for (const [goOnInMs, then] of [
  [null, 'once the endpoint is resumed'],
  [300_000, 'in 5m 00s'],
] as const) {
  test(`a redrive that would have to wait long ends, and says to ask again ${then}`, async (t) => {
    const stopped = { why: 'the endpoint is paused: maintenance', goOnInMs };
    const body = { origin: 'billing', letters: [{ key: 'a', outcome: 'redriven' }], next: 'a', stopped };
    const app = await openTestApp(t, { 'deadletters/redrive': [{ body }] });
    const { code, out } = await app.run(['deadletters', 'redrive', 'billing', '--all']);
    assert.deepEqual([code, app.seen.length, app.sleeps], [1, 1, []]);
    assert.equal(out, `1 of 1 done; stopped early: the endpoint is paused: maintenance; ask again ${then}`);
  });
}

test('letters can be named, and no more than asked for are taken', async (t) => {
  const reply = { body: { origin: 'billing', letters: [{ key: 'a', outcome: 'discarded' }], next: 'a' } };
  const app = await openTestApp(t, { 'deadletters/discard': [reply] });
  assert.equal((await app.run(['deadletters', 'discard', 'billing', '--max', '1'])).code, 0);
  assert.equal(app.seen.length, 1);
});

const replayArgs = ['replay', 'billing', '--target', 'https://example.com/in', '--from', 'earliest'];
const replayed = { topic: 'orders', url: 'https://example.com/in', delivered: 10, filtered: 1, failures: [] };

test('a replay goes on until nothing is left, showing how far it is', async (t) => {
  const left = [{ partition: 0, nextOffset: '10', toOffset: '20' }];
  const pages = [{ body: { ...replayed, continue: left } }, { body: { ...replayed, continue: [] } }];
  const app = await openTestApp(t, { replay: pages });
  const { code, out, err } = await app.run(replayArgs);
  assert.equal(code, 0);
  assert.equal(out, '20 records delivered to https://example.com/in, 2 filtered');
  assert.equal(err, '10 records delivered, at most 10 to go');
  const [first, second] = app.seen.map(({ body }) => body);
  assert.deepEqual(first, { subscription: 'billing', url: 'https://example.com/in', from: 'earliest' });
  assert.deepEqual(second, { ...(first as object), continue: left });
});

test('a replay whose record is never taken waits a few times and then says where to go on', async (t) => {
  const stuck = {
    ...replayed,
    delivered: 0,
    filtered: 0,
    continue: [{ partition: 3, nextOffset: '7', toOffset: '20' }],
    failures: [{ partition: 3, offset: '7', error: 'answered 500' }],
  };
  const app = await openTestApp(t, { replay: [{ body: stuck }] });
  const { code, out } = await app.run(replayArgs);
  assert.equal(code, 1);
  assert.match(
    out,
    /orders:3 stopped at offset 7: answered 500\n {2}go on with --topic orders --partition 3 --from offset:7 --to offset:20/,
  );
  assert.deepEqual(app.sleeps, [2_000, 4_000, 8_000, 16_000]);
});

test('a replay waits for a target that asks for it, but not without end', async (t) => {
  const left = [
    { partition: 0, nextOffset: '7', toOffset: '20' },
    { partition: 1, nextOffset: '3', toOffset: '9' },
  ];
  const failures = [{ partition: 0, offset: '7', error: 'answered 429' }];
  const body = { ...replayed, delivered: 0, filtered: 0, continue: left, failures, stopped: spared };
  const app = await openTestApp(t, { replay: [{ body: { ...body, delivered: 10 } }, { body }] });
  const { code, out, err } = await app.run(replayArgs);
  assert.equal(code, 1);
  assert.deepEqual(app.sleeps, Array(5).fill(12_000));
  assert.equal(
    out,
    `10 records delivered to https://example.com/in, 0 filtered
orders:0 stopped at offset 7: answered 429
  go on with --topic orders --partition 0 --from offset:7 --to offset:20
orders:1 stopped at offset 3: the endpoint is left alone for a while
  go on with --topic orders --partition 1 --from offset:3 --to offset:9
stopped early: the endpoint is left alone for a while; ask again in 12s`,
  );
  assert.match(
    err,
    /19 to go; failing: answered 429; the endpoint is left alone for a while; going on in 12s$/,
  );
});

test('a problem of the app is shown in its words', async (t) => {
  const problem = {
    type: 'x',
    title: 'There is no such subscription',
    status: 404,
    detail: 'there are: billing',
  };
  const app = await openTestApp(t, { pause: [{ status: 404, body: problem }] });
  const { code, err } = await app.run(['pause', 'x']);
  assert.deepEqual([code, err], [1, 'There is no such subscription: there are: billing']);
});

test('errors say what to do: no key, a wrong key, not a Sluice app, not running', async (t) => {
  const app = await openTestApp(t, { status: [{ status: 401, body: '' }] });
  assert.match((await app.run(['status'])).err, /no key was given; give it by --key/);
  assert.match((await app.run(['status', '--key', 'x'])).err, /not its master key/);
  assert.match((await app.run(['resume', 'x'])).err, /answered 404; is it a Sluice app of this version/);
  const away = await app.run(['status', '--url', 'http://localhost:1']);
  assert.equal(away.code, 1);
  assert.match(away.err, /localhost:1 was not reached: .*; is it running\? npm start$/);
});

test('the key is that of --key, the environment, local.settings.json or the local host, in this order', async (t) => {
  const app = await openTestApp(t, { status: [{ body: empty }] });
  mkdirSync(join(app.root, '.local/host'), { recursive: true });
  writeFileSync(join(app.root, '.local/host/keys.json'), '{"master":"host"}');
  await app.run(['status']);
  writeFileSync(join(app.root, 'local.settings.json'), '{"Values":{"SLUICE_KEY":"settings"}}');
  await app.run(['status']);
  await app.run(['status'], { SLUICE_KEY: 'env' });
  await app.run(['status', '--key', 'flag'], { SLUICE_KEY: 'env' });
  assert.deepEqual(
    app.seen.map(({ key }) => key),
    ['host', 'settings', 'env', 'flag'],
  );
});

test('a wrong SLUICE_URL is told by its name', async (t) => {
  const app = await openTestApp(t, {});
  const { code, err } = await app.run(['status'], { SLUICE_URL: 'localhost:7071' });
  assert.deepEqual([code, /^SLUICE_URL must be the address of the app/.test(err)], [2, true]);
});

test("the local host's own key is never sent anywhere else", async (t) => {
  const app = await openTestApp(t, {});
  mkdirSync(join(app.root, '.local/host'), { recursive: true });
  writeFileSync(join(app.root, '.local/host/keys.json'), '{"master":"host"}');
  const { err } = await app.run(['status', '--url', 'http://elsewhere.invalid']);
  assert.match(err, /is --url right/);
  const { findTarget } = await import('./target.ts');
  const target = findTarget({ url: 'https://app.example.com/', key: undefined, env: {}, root: app.root });
  assert.deepEqual(target, { url: 'https://app.example.com', key: undefined });
});

for (const [args, message] of [
  [['stauts'], /there is no command "stauts"/],
  [['constructor'], /there is no command "constructor"/],
  [['__proto__'], /there is no command "__proto__"/],
  [['deadletters', 'lst'], /there is no command "deadletters lst"/],
  [
    ['deadletters'],
    /; there are: deadletters list, deadletters get, deadletters redrive, deadletters discard/,
  ],
  [['pause'], /usage: sluice pause <subscription>/],
  [['pause', 'a', 'b'], /usage: sluice pause/],
  [['status', '--nope'], /^Unknown option '--nope'\nsluice status --help says more$/],
  [['nope', '--nope'], /\nsluice --help says more$/],
  [
    ['deadletters', 'list', '--state', 'lost'],
    /--state must be one of: open, .*, all, not "lost"\nsluice deadl/,
  ],
  [['seek', 'billing'], /--to must be given/],
  [['seek', 'billing', '--to', 'soon'], /--to must be earliest, latest, offset:N or time:/],
  [['seek', 'billing', '--to', 'latest', '--partition', '0'], /--partition goes with --topic/],
  [
    ['seek', 'billing', '--to', 'latest', '--topic', 't', '--partition', 'x'],
    /--partition must be a whole number from 0/,
  ],
  [['deadletters', 'redrive', 'billing'], /name keys, or --max N, or --all/],
  [['deadletters', 'discard', 'billing', 'key', '--all'], /name keys, or --max N, or --all/],
  [['replay', 'billing'], /--target must be given/],
  [['test-event', 'billing', '--event', '/nowhere.json'], /nowhere.json cannot be read/],
  [['status', '--url', 'localhost:7071'], /--url must be the address of the app/],
  [['status', '--url', 'https://app.example/?code=key'], /--url must be the address of the app/],
] as const) {
  test(`"sluice ${args.join(' ')}" is exit code 2 and says what would be right`, async (t) => {
    const app = await openTestApp(t, {});
    const { code, err } = await app.run(args);
    assert.equal(code, 2);
    assert.match(err, message);
    assert.equal(app.seen.length, 0);
  });
}

test('every command has its help', async (t) => {
  const app = await openTestApp(t, {});
  const { out } = await app.run(['--help']);
  const names = [...out.matchAll(/^ {2}([a-z][a-z-]*(?: [a-z]+)?) {2,}/gm)].map(([, name = '']) => name);
  assert.equal(names.length, 10);
  for (const name of names) {
    const help = await app.run([...name.split(' '), '--help']);
    assert.equal(help.code, 0);
    assert.match(help.out, new RegExp(`^sluice ${name} `));
    assert.match(help.out, /Exit code: 0 done/);
  }
});

test('the program itself runs on the Node of this repository and ends with the exit code', () => {
  const run = (args: readonly string[]) =>
    spawnSync(process.execPath, ['cli/sluice.js', ...args], { encoding: 'utf8' });
  const help = run(['--help']);
  assert.deepEqual([help.status, help.stderr], [0, '']);
  assert.match(help.stdout, /deadletters redrive/);
  assert.equal(run(['nope']).status, 2);
  assert.equal(run([]).status, 2);
});

test('whoever reads what is printed may stop before its end', () => {
  const { stderr } = spawnSync('sh', ['-c', '"$0" cli/sluice.js --help | true', process.execPath], {
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
});

for (const [ms, text] of [
  [80, '80ms'],
  [12_000, '12s'],
  [65_000, '1m 05s'],
  [3_600_000, '1h 00m'],
  [90_000_000, '1d 01h'],
] as const) {
  test(`${ms} ms is shown as ${text}`, () => assert.equal(duration(ms), text));
}

test('an answer that is no JSON is no result', async (t) => {
  const app = await openTestApp(t, { status: [{ body: '<html>' }] });
  const { code, err } = await app.run(['status']);
  assert.equal(code, 1);
  assert.match(err, /answered 200, but not as Sluice does/);
});
