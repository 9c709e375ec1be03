import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const config = {
  proxy: { url: '${NOT_SET}' },
  sources: { orders: { secret: '${NOT_SET}' } },
  routes: [
    { name: 'orders', source: 'orders', topic: 'orders.{/region}', key: '/id', partition: '/shard' },
    { name: 'opened', filter: { exact: { '/state': 'open' } }, topic: 'opened', transform: 'data.id' },
    { filter: { prefix: { type: 'order.' } }, topic: 'typed', key: 'subject' },
  ],
};
const event = {
  specversion: '1.0',
  id: 'e1',
  source: '/shop',
  type: 'order.created',
  data: { id: 42, region: 'eu', shard: 3, state: 'closed' },
};

/** Runs the command over these files, in a process of its own. */
function run(args: readonly string[], files: { config?: unknown; event?: unknown } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'route-'));
  try {
    const configFile = join(dir, 'bridge.config.json');
    const eventFile = join(dir, 'event.json');
    writeFileSync(configFile, JSON.stringify(files.config ?? config));
    writeFileSync(
      eventFile,
      typeof files.event === 'string' ? files.event : JSON.stringify(files.event ?? event),
    );
    const named = args.map((arg) => (arg === 'EVENT' ? eventFile : arg));
    const { status, stdout, stderr } = spawnSync(process.execPath, ['local/route.ts', ...named], {
      env: { BRIDGE_CONFIG: configFile },
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test('shows the route that decides, why the others do not, and the record, with no setting set', () => {
  const { status, stdout } = run(['EVENT']);
  assert.equal(status, 0);
  assert.match(stdout, / {3}orders +only for events by the source "orders", but the event came by none\n/);
  assert.match(stdout, / {3}opened +\/state must be "open", but is "closed"\n/);
  assert.match(stdout, / \* routes\.2 +fits and decides\n/);
  assert.match(
    stdout,
    /\nTopic +typed\nKey +\(none: the event has no subject\)\nPartition +\(any\)\nValue +\{/,
  );
});

test('prints the same as one JSON object', () => {
  const { status, stdout } = run(['EVENT', '--source', 'orders', '--json']);
  assert.equal(status, 0);
  assert.deepEqual(JSON.parse(stdout), {
    event: 'e1',
    source: 'orders',
    routes: [
      { route: 'orders', decides: true },
      { route: 'opened', decides: false, mismatch: '/state must be "open", but is "closed"' },
      { route: 'routes.2', decides: false },
    ],
    result: { kind: 'record', topic: 'orders.eu', record: { value: event, key: '42', partition: 3 } },
  });
});

test('ends with 1 when no route takes the event, and says why', () => {
  const unrouted = run(['EVENT'], { event: { ...event, type: 'x' } });
  assert.equal(unrouted.status, 1);
  assert.match(unrouted.stdout, /Result +no route fits/);
  const invalid = run(['EVENT', '--source', 'orders'], { event: { ...event, data: { region: 'eu' } } });
  assert.equal(invalid.status, 1);
  assert.match(invalid.stdout, /Result +refused with 422\nProblem +\/shard must be a partition/);
});

test('ends with 2 and what would be right when something cannot be used', () => {
  const cases: [Parameters<typeof run>, RegExp][] = [
    [[[]], /name one file that holds an event/],
    [[['EVENT', '--sauce', 'x']], /Unknown option '--sauce'/],
    [[['missing.json']], /missing\.json cannot be read: .*ENOENT/],
    [[['EVENT'], { event: '{' }], /event\.json cannot be read: SyntaxError/],
    [[['EVENT'], { event: { id: 1 } }], /is no CloudEvent: specversion is required\. The least there can be/],
    [
      [['EVENT'], { config: { routes: [{ topic: 'a b' }] } }],
      /- routes\.0\.topic: must be a Kafka topic name/,
    ],
    [[['EVENT'], { config: { routes: [{ topic: 'a', transform: '(' }] } }], /routes\.0\.transform: /],
    [[['EVENT', '--source', 'order']], /bridge\.config\.json has no source "order"; there are: orders/],
  ];
  for (const [args, expected] of cases) {
    const { status, stdout, stderr } = run(...args);
    assert.equal(status, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, expected);
    assert.doesNotMatch(stderr, /\n\s+at /, 'no stack trace');
  }
});
