import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOperateWorld, tryAgain } from '../../test/support/operate-world.ts';
import type { RecordLog } from '../drain/ports.ts';
import { SluiceError } from '../shared/error.ts';
import { pause } from './endpoint-control.ts';
import { replay } from './replay.ts';
import type { ReplayRequest } from './requests.ts';

const url = 'https://elsewhere.example.com/in';
const all: ReplayRequest = {
  subscription: 'billing',
  url,
  from: { kind: 'earliest' },
  to: { kind: 'latest' },
};

function worldOf(...perPartition: readonly number[]) {
  const world = createOperateWorld();
  perPartition.forEach((count, partition) => {
    for (let index = 0; index < count; index += 1) world.topics.append('orders', partition);
  });
  return world;
}

test('every record of a range goes to the other URL in order, and the live checkpoint stays', async () => {
  const { options, elsewhere, delivery, checkpoint } = worldOf(7, 2);
  const before = await checkpoint(0, { nextOffset: 5n });
  const outcome = await replay(options, all);
  assert.deepEqual(outcome, { topic: 'orders', url, delivered: 9, filtered: 0, continue: [], failures: [] });
  const offsets = (partition: number) =>
    elsewhere.records.filter((record) => record.partition === partition).map(({ offset }) => Number(offset));
  assert.deepEqual(offsets(0), [0, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(offsets(1), [0, 1]);
  assert.equal(delivery.requests.length, 0);
  assert.deepEqual(await options.checkpoints.read(before.checkpoint), before);
});

test('the log tells where records went, without what may be secret of the URL', async () => {
  const { options } = worldOf(3);
  const lines: object[] = [];
  const report = {
    ...options.report,
    warn: (event: string, fields = {}) => lines.push({ event, ...fields }),
  };
  await replay(
    { ...options, report },
    { ...all, url: 'https://elsewhere.example.com/hooks/s3cret?k=s3cret' },
  );
  const to = 'elsewhere.example.com';
  const counts = { delivered: 3, filtered: 0, failures: 0 };
  assert.deepEqual(lines, [
    { event: 'operate.replay', subscription: 'billing', topic: 'orders', to, ...counts },
  ]);
});

test('records travel together as the form allows', async () => {
  const { options, elsewhere } = worldOf(7);
  await replay(options, { ...all, partition: 0 });
  assert.deepEqual(
    elsewhere.requests.map(({ offsets }) => offsets.length),
    [3, 3, 1],
  );
});

test('a range is from an offset or a time up to, not including, another', async () => {
  const { options, elsewhere } = worldOf(10, 10);
  const range = { from: { kind: 'offset', offset: 3n }, to: { kind: 'time', timeMs: 5 } } as const;
  await replay(options, { ...all, partition: 1, ...range });
  assert.deepEqual(
    elsewhere.records.map(({ partition, offset }) => [partition, Number(offset)]),
    [
      [1, 3],
      [1, 4],
    ],
  );
});

test('gaps are stepped over, and filtered records are counted', async () => {
  const { options, elsewhere, topics } = createOperateWorld();
  for (const offset of [5n, 90n, 400n]) topics.append('orders', 0, { offset });
  elsewhere.prepares = ({ offset }) => (offset === 90n ? 'filtered' : undefined);
  const outcome = await replay(options, all);
  assert.deepEqual([outcome.delivered, outcome.filtered, outcome.continue], [2, 1, []]);
});

test('a call that takes long stops in time; going on from its answer delivers each record once', async () => {
  const { options, elsewhere, clock } = worldOf(20, 4);
  const attempt = elsewhere.attempt;
  elsewhere.attempt = async (...given) => {
    await clock.advance(20_000);
    return attempt(...given);
  };
  let request: ReplayRequest = all;
  let calls = 0;
  for (; calls < 20; calls += 1) {
    const outcome = await replay(options, request);
    if (outcome.continue.length === 0) break;
    const parts = outcome.continue.map(({ partition, nextOffset, toOffset }) => ({
      partition,
      nextOffset: BigInt(nextOffset),
      toOffset: BigInt(toOffset),
    }));
    request = { ...request, continue: parts };
  }
  assert.ok(calls > 1);
  assert.equal(elsewhere.records.length, 24);
  assert.equal(new Set(elsewhere.records.map(({ partition, offset }) => `${partition}:${offset}`)).size, 24);
});

test('a record that is not taken stops its partition there; the other partition goes on', async () => {
  const { options, elsewhere } = worldOf(5, 5);
  elsewhere.answer = (records) =>
    records.some(({ partition, offset }) => partition === 0 && offset === 4n) ? tryAgain : undefined;
  const outcome = await replay(options, all);
  assert.deepEqual(outcome.failures, [{ partition: 0, offset: '3', error: 'answered 500' }]);
  assert.deepEqual(outcome.continue, [{ partition: 0, nextOffset: '3', toOffset: '5' }]);
  assert.equal(outcome.delivered, 8);
});

test('a partition that cannot be read stops where it is, and says so; the other goes on', async () => {
  const { options, topics } = worldOf(5, 5);
  const details = { code: 'kafka-rest.refused', message: 'offset 0 is out of range', retryable: false };
  const read: RecordLog['read'] = (position) =>
    position.partition === 0 ? Promise.reject(new SluiceError(details)) : topics.log.read(position);
  const outcome = await replay({ ...options, log: { ...topics.log, read } }, all);
  const error = 'kafka-rest.refused: offset 0 is out of range';
  assert.deepEqual(outcome.failures, [{ partition: 0, offset: '0', error }]);
  assert.deepEqual(outcome.continue, [{ partition: 0, nextOffset: '0', toOffset: '5' }]);
  assert.equal(outcome.delivered, 5);
});

test('records refused together go alone, until the refused one is found', async () => {
  const { options, elsewhere } = worldOf(6);
  elsewhere.answer = (records) => {
    if (!records.some(({ offset }) => offset === 4n)) return undefined;
    if (records.length > 1) return { kind: 'split', error: 'answered 413', endpoint: 'refusing' };
    const reason = { code: 'delivery.refused', message: 'answered 413' } as const;
    return { kind: 'dead-letter', reason, endpoint: 'refusing' };
  };
  const outcome = await replay(options, all);
  assert.deepEqual(outcome.failures, [{ partition: 0, offset: '4', error: 'answered 413' }]);
  assert.equal(outcome.delivered, 4);
});

test('a record that cannot be prepared stops its partition, after those before it went out', async () => {
  const { options, elsewhere } = worldOf(4);
  elsewhere.prepares = ({ offset }) => (offset === 2n ? 'failed' : undefined);
  const outcome = await replay(options, all);
  assert.deepEqual(outcome.failures, [{ partition: 0, offset: '2', error: 'no such field' }]);
  assert.equal(outcome.delivered, 2);
});

test('it is as the subscription would send it, but for what belongs to its own endpoint', async () => {
  const { options, opened, elsewhere } = worldOf(1);
  await replay(options, all);
  const own = options.subscriptions.get('billing')?.settings;
  assert.ok(own);
  assert.equal(opened.length, 1);
  const { endpoint, ...rest } = opened[0] ?? own;
  assert.deepEqual({ ...rest, endpoint: own.endpoint }, own);
  assert.deepEqual(endpoint, {
    ...own.endpoint,
    url,
    headers: {},
    auth: { kind: 'none' },
    handshake: false,
  });
  assert.ok(elsewhere.closed);
});

for (const [refused, message] of [
  ['http://elsewhere.example.com/', 'only https is allowed'],
  ['https://10.2.0.1/', '10.2.0.1 is not a public address'],
  ['https://2130706433/', '127.0.0.1 is not a public address'],
  ['https://localhost/', 'localhost is not a public address'],
  ['https://user:word@elsewhere.example.com/', 'must not carry a user name or password'],
  ['elsewhere', 'must begin with https:// and a fixed host: values may stand in path and query'],
] as const) {
  test(`nothing is sent to ${refused}`, async () => {
    const { options, opened } = worldOf(1);
    const code = 'operate.refused-target';
    await assert.rejects(replay(options, { ...all, url: refused }), { code, message });
    assert.equal(opened.length, 0);
  });
}

test('a private address that the subscription may reach, a replay may reach too', async () => {
  const { options, opened } = worldOf(1);
  await replay(options, { ...all, url: 'https://10.1.2.3/in' });
  assert.equal(opened[0]?.endpoint.url, 'https://10.1.2.3/in');
});

test('a replay is no faster than the subscription may be, and goes on while its own endpoint is paused', async () => {
  const { options, elsewhere, clock, topics } = createOperateWorld({ ratePerSecond: 2 });
  for (const partition of [0, 1])
    for (let index = 0; index < 6; index += 1) topics.append('orders', partition);
  await pause(options, { subscription: 'billing', why: 'maintenance' });
  const replaying = replay(options, all);
  const sent = [];
  for (let passedMs = 0; passedMs <= 1_500; passedMs += 500) {
    await clock.advance(passedMs === 0 ? 0 : 500);
    sent.push(elsewhere.requests.length);
  }
  assert.deepEqual(sent, [1, 2, 3, 4], 'both partitions together, three records a request');
  assert.equal((await replaying).delivered, 12);
});

test('a target that asks for a wait stops all partitions, and the answer says where and when to go on', async () => {
  const { options, elsewhere, clock, topics } = createOperateWorld({ connectionsMax: 1 });
  for (const partition of [0, 1])
    for (let index = 0; index < 6; index += 1) topics.append('orders', partition);
  elsewhere.answer = () => {
    if (elsewhere.requests.length < 3) return undefined;
    const waitUntilMs = clock.now() + 20_000;
    return { kind: 'retry', atMs: waitUntilMs, error: 'answered 429', endpoint: 'failing', waitUntilMs };
  };
  const outcome = await replay(options, all);
  assert.equal(outcome.delivered, 6);
  assert.deepEqual(outcome.failures, [{ partition: 0, offset: '3', error: 'answered 429' }]);
  assert.equal(outcome.stopped?.goOnInMs, 20_000);
  assert.deepEqual(
    outcome.continue.map(({ nextOffset }) => nextOffset),
    ['3', '3'],
  );
  assert.equal(await options.checkpoints.readEndpoint('billing'), undefined, 'it is another endpoint');
});
