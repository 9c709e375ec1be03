import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOperateWorld, tryAgain } from '../../test/support/operate-world.ts';
import { SluiceError } from '../shared/error.ts';
import { type OperationName, operate } from './operate.ts';

async function call(
  world: ReturnType<typeof createOperateWorld>,
  name: OperationName,
  input: { query?: Record<string, string>; body?: unknown },
) {
  const body = input.body === undefined ? '' : JSON.stringify(input.body);
  const answer = await operate(async () => world.options, name, { query: input.query ?? {}, body });
  return { ...answer, json: JSON.parse(answer.body) };
}

test('an operation is answered as JSON, with offsets as decimal strings', async () => {
  const world = createOperateWorld();
  world.topics.append('orders', 0, { offset: 9_007_199_254_740_993n });
  await world.checkpoint(0);
  const to = 'offset:9007199254740993';
  const body = { subscription: 'billing', topic: 'orders', partition: 0, to };
  const { status, headers, json } = await call(world, 'seek', { body });
  assert.deepEqual([status, headers['content-type']], [200, 'application/json']);
  assert.equal(json.partitions[0].now, '9007199254740993');
});

test('a whole replay, driven by its own answers, comes through as it would over HTTP', async () => {
  const world = createOperateWorld();
  world.topics.append('orders', 0);
  const body = { subscription: 'billing', url: 'https://example.com' };
  const parts = [{ partition: 0, nextOffset: '0', toOffset: '1' }];
  const { json } = await call(world, 'replay', { body: { ...body, continue: parts } });
  assert.equal(json.delivered, 1);
});

test('a test event goes through the delivery and tells status, latency and answer', async () => {
  const world = createOperateWorld();
  const { json } = await call(world, 'testEvent', {
    body: { subscription: 'billing', event: { type: 'x' } },
  });
  assert.deepEqual(json, {
    subscription: 'billing',
    outcome: 'delivered',
    status: 200,
    latencyMs: 12,
    answer: 'said',
    event: {
      specversion: '1.0',
      id: 'test-1',
      source: '/sluice/test',
      type: 'x',
      time: '2026-01-01T00:00:00.000Z',
      datacontenttype: 'application/json',
      data: { message: 'a test event of Sluice' },
    },
  });
  assert.deepEqual(JSON.parse(world.delivery.records[0]?.value ?? ''), json.event);
  assert.equal(world.delivery.records[0]?.topic, 'sluice.test');
});

test('a test event that fails, is filtered or cannot be made says which', async () => {
  const world = createOperateWorld();
  const outcome = async () =>
    (await call(world, 'testEvent', { body: { subscription: 'billing' } })).json.outcome;
  world.delivery.answer = () => tryAgain;
  assert.equal(await outcome(), 'failed');
  world.delivery.prepares = () => 'filtered';
  assert.equal(await outcome(), 'filtered');
  world.delivery.prepares = () => 'failed';
  assert.equal(await outcome(), 'not-deliverable');
  assert.equal(world.delivery.requests.length, 1);
});

for (const [what, name, input, status, detail] of [
  ['a missing field', 'pause', { body: {} }, 400, /^subscription: must be given$/],
  ['an empty field', 'pause', { body: { subscription: '' } }, 400, /^subscription: must not be empty$/],
  ['a number for a text', 'resume', { body: { subscription: 7 } }, 400, /^subscription: must be a string$/],
  [
    'half a partition',
    'seek',
    { body: { subscription: 'billing', to: 'latest', topic: 'orders', partition: 0.5 } },
    400,
    /^partition: must be a whole number$/,
  ],
  [
    'a field nobody knows',
    'pause',
    { body: { subscription: 'billing', x: 1 } },
    400,
    /^\(request\): takes no "x"; it takes: subscription, why$/,
  ],
  ['a question to the status', 'status', { query: { x: '1' } }, 400, /takes no "x"; it takes: nothing$/],
  ['a list for an object', 'pause', { body: [] }, 400, /^\(request\): must be a JSON object$/],
  [
    'a reason that is too long',
    'pause',
    { body: { subscription: 'billing', why: 'x'.repeat(501) } },
    400,
    /^why: must be at most 500 characters$/,
  ],
  [
    'a state that there is not',
    'listDeadLetters',
    { query: { state: 'lost' } },
    400,
    /^state: must be one of: open, redriven, discarded, all$/,
  ],
  [
    'a range that ends before it begins',
    'replay',
    {
      body: {
        ...{ subscription: 'billing', url: 'https://example.com' },
        ...{ from: 'offset:5', to: 'offset:2' },
      },
    },
    400,
    /^from: must not be after to$/,
  ],
  [
    'a target with a password',
    'replay',
    { body: { subscription: 'billing', url: 'https://user:pw@example.com' } },
    400,
    /^must not carry a user name or password$/,
  ],
  [
    'a position that is none',
    'seek',
    { body: { subscription: 'billing', to: 'time:soon' } },
    400,
    /offset:N/,
  ],
  [
    'a day that no month has',
    'seek',
    { body: { subscription: 'billing', to: 'time:2026-02-31' } },
    400,
    /offset:N/,
  ],
  [
    'a partition without a topic',
    'seek',
    { body: { subscription: 'billing', partition: 0, to: 'latest' } },
    400,
    /topic: must be given when a partition is/,
  ],
  ['letters that are not named', 'redriveDeadLetters', { body: { origin: 'billing' } }, 400, /or else max/],
  [
    'a page that is too large',
    'listDeadLetters',
    { query: { max: '5000' } },
    400,
    /max: must be at most 1000$/,
  ],
  [
    'a cursor that is none',
    'listDeadLetters',
    { query: { after: 'x' } },
    400,
    /after must be what the page before/,
  ],
  [
    'an event that is none',
    'testEvent',
    { body: { subscription: 'billing', event: { id: '' } } },
    400,
    /event: id must not be empty/,
  ],
  ['a subscription nobody knows', 'pause', { body: { subscription: 'x' } }, 404, /there are: billing/],
  ['a letter nobody knows', 'getDeadLetter', { query: { origin: 'billing', key: 'x' } }, 404, /list them/],
  ['an offset outside', 'seek', { body: { subscription: 'billing', to: 'offset:5' } }, 409, /holds 0 up to/],
] as const) {
  test(`${what} is a problem that says what would be right`, async () => {
    const answer = await call(createOperateWorld(), name, input);
    assert.equal(answer.status, status);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    assert.equal(answer.json.status, status);
    assert.match(answer.json.detail, detail);
  });
}

test('a key in the query, where the platform takes it too, is no part of the request', async () => {
  const { status } = await call(createOperateWorld(), 'status', { query: { code: 'key' } });
  assert.equal(status, 200);
});

test('numbers of a test event keep all their digits', async () => {
  const world = createOperateWorld();
  const body = '{"subscription":"billing","event":{"data":{"n":12345678901234567890}}}';
  const answer = await operate(async () => world.options, 'testEvent', { query: {}, body });
  assert.match(answer.body, /"n":12345678901234567890/);
  assert.match(world.delivery.records[0]?.value ?? '', /"n":12345678901234567890/);
});

test('a test event that is nested too deeply to be written is a problem', async () => {
  const body = `{"subscription":"billing","event":{"data":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`;
  const answer = await operate(async () => createOperateWorld().options, 'testEvent', { query: {}, body });
  assert.equal(answer.status, 400);
  assert.match(answer.body, /must not nest more than 1000 levels deep/);
});

test('a body that is no JSON is a problem', async () => {
  const answer = await operate(async () => createOperateWorld().options, 'pause', { query: {}, body: '{' });
  assert.equal(answer.status, 400);
  assert.match(answer.body, /must be a JSON object/);
});

test('every place of a request that is wrong is named', async () => {
  const body = { subscription: '', url: '', from: 'x', to: 'y' };
  const { json } = await call(createOperateWorld(), 'replay', { body });
  assert.deepEqual(
    json.errors.map(({ path }: { path: string }) => path),
    ['subscription', 'url', 'from', 'to'],
  );
});

test('a log or store that is away is 503, a defect is nobody else but the host to answer', async () => {
  const away = new SluiceError({ code: 'storage.unavailable', message: 'the table failed', retryable: true });
  const answer = await operate(() => Promise.reject(away), 'status', { query: {}, body: '' });
  assert.equal(answer.status, 503);
  assert.match(answer.body, /storage.unavailable: the table failed/);
  const defect = operate(() => Promise.reject(new TypeError('x')), 'status', { query: {}, body: '' });
  await assert.rejects(defect, TypeError);
});

for (const [text, offset] of [
  ['time:2026-01-31', '3'],
  ['time:2026-01-31T00:00:00Z', '3'],
  ['time:2026-01-31T02:00+02:00', '3'],
  ['time:2026-01-31T00:00:00.001Z', '4'],
  ['earliest', '0'],
  ['latest', '4'],
] as const) {
  test(`${text} is a position`, async () => {
    const world = createOperateWorld();
    const at = Date.UTC(2026, 0, 31);
    await world.checkpoint(0);
    for (const age of [3, 2, 1, 0]) world.topics.append('orders', 0, { timestampMs: BigInt(at - age) });
    const { json } = await call(world, 'seek', {
      body: { subscription: 'billing', topic: 'orders', partition: 0, to: text },
    });
    assert.equal(json.partitions[0].now, offset);
  });
}
