import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { eventRecord, openDelivery, startReceiver } from '../../test/support/receiver.ts';
import type { TopicRecord } from '../events/record.ts';

const nowhere = 'https://receiver.example/hook';
const plain = (value: string): TopicRecord => ({ ...eventRecord, value });

test('a record is filtered by its event, before the transform changes it', async (t) => {
  const { delivery } = await openDelivery(t, nowhere, {
    filter: { exact: { type: 'order.created' } },
    transform: 'data.total > 0 ? { "id": id }',
  });
  assert.equal((await delivery.prepare(plain('{"type":"order.created"}'))).kind, 'filtered');
  const small = eventRecord.value?.replace('9007199254740993', '0') ?? '';
  assert.deepEqual(await delivery.prepare(plain(small)), { kind: 'filtered' });
});

test('a transformed record carries what the transform made, in every form', async (t) => {
  const receiver = await startReceiver(t);
  const value = eventRecord.value?.replace('9007199254740993', '7') ?? '';
  const limits = { recordsMax: 10, bytesMax: 1_000, lingerMs: 0 };
  for (const form of ['structured', 'binary', 'raw', { kind: 'array', ...limits }] as const) {
    const { send } = await openDelivery(t, receiver.url, { form, transform: '{ "twice": data.total * 2 }' });
    await send(plain(value));
  }
  const [structured, binary, raw, array] = receiver.seen.map(({ body }) => JSON.parse(body));
  assert.deepEqual([structured.id, structured.data], ['e1', { twice: 14 }]);
  assert.deepEqual([binary, raw, array], [{ twice: 14 }, { twice: 14 }, [{ twice: 14 }]]);
});

test('without a transform a record is ready at once', async (t) => {
  const { delivery } = await openDelivery(t, nowhere);
  const preparation = delivery.prepare(eventRecord);
  assert.ok(!(preparation instanceof Promise) && preparation.kind === 'ready');
  const { record, target, bytes } = preparation.prepared;
  assert.deepEqual([record, target, bytes], [eventRecord, nowhere, eventRecord.value?.length]);
});

test('numbers that no double can hold arrive as they are, also where something looked inside', async (t) => {
  const receiver = await startReceiver(t);
  for (const settings of [{}, { filter: { exact: { '/total': '9007199254740993' } } }]) {
    const { send } = await openDelivery(t, receiver.url, settings);
    await send();
    await send(plain('{"total":9007199254740993}'));
  }
  const { send } = await openDelivery(t, `${receiver.url}/{/total}`);
  await send();
  assert.equal(receiver.seen.at(-1)?.path, '/hook/9007199254740993');
  assert.equal(receiver.seen.length, 5);
  for (const { body } of receiver.seen) assert.match(body, /"total":9007199254740993/);
});

test('a record that cannot be transformed, or names no target, can never be delivered, and why is said', async (t) => {
  const untransformable = await openDelivery(t, nowhere, { transform: 'data.total + "a"' });
  const failed = await untransformable.delivery.prepare(eventRecord);
  assert.ok(failed.kind === 'failed');
  assert.equal(failed.reason.code, 'delivery.untransformable');
  const { delivery } = await openDelivery(t, 'https://receiver.example/{/tenant}');
  assert.deepEqual(await delivery.prepare(eventRecord), {
    kind: 'failed',
    reason: { code: 'delivery.no-target', message: '/tenant is missing, but the URL needs it' },
  });
});

test('a transform that does not compile is told when the delivery is opened', async (t) => {
  await assert.rejects(openDelivery(t, nowhere, { transform: '{' }), { code: 'delivery.invalid-transform' });
});

test('URL and headers hold values of the event; records that differ in them have different targets', async (t) => {
  const receiver = await startReceiver(t);
  const { prepare, send } = await openDelivery(t, `${receiver.url}/{type}?t={/tenant}`, {
    endpoint: { headers: { 'x-tenant': '{/tenant}', 'x-region': 'eu' } },
  });
  const [a, b] = [plain('{"tenant":"a b"}'), plain('{"tenant":"c"}')];
  await send(a);
  const [request] = receiver.seen;
  assert.equal(request?.path, '/hook/kafka.record?t=a%20b');
  assert.deepEqual([request.headers['x-tenant'], request.headers['x-region']], ['a b', 'eu']);
  assert.notEqual((await prepare(a)).target, (await prepare(b)).target);
  assert.equal((await prepare(a)).target, (await prepare({ ...a, offset: 1n })).target);
});

test('a value that no header may hold is not sent', async (t) => {
  const { delivery } = await openDelivery(t, nowhere, { endpoint: { headers: { 'x-tenant': '{/tenant}' } } });
  const preparation = await delivery.prepare(plain('{"tenant":"a\\r\\nx-evil: 1"}'));
  assert.ok(preparation.kind === 'failed');
  assert.match(
    preparation.reason.message,
    /^\/tenant must be printable ASCII to stand in the header x-tenant/,
  );
});

test('an attempt is remembered with its time, status, latency and the beginning of the answer', async (t) => {
  const clock = createManualClock(5_000);
  const receiver = await startReceiver(t, (_request, response) => {
    void clock
      .advance(30)
      .then(() => response.writeHead(503, { 'retry-after': '60' }).end('x'.repeat(2_000)));
  });
  const { send } = await openDelivery(t, receiver.url, { clock });
  assert.deepEqual(await send(), {
    attempt: { atMs: 5_000, latencyMs: 30, status: 503, answer: 'x'.repeat(1_000) },
    verdict: {
      kind: 'retry',
      atMs: 65_030,
      error: 'answered 503',
      endpoint: 'failing',
      waitUntilMs: 65_030,
    },
  });
  const [request] = receiver.seen;
  assert.equal(request?.headers['webhook-timestamp'], '5');
  assert.equal(request?.headers['webhook-id'], 'orders~v1_2_9007199254740993');
  assert.equal(request?.headers['user-agent'], 'sluice');
});

test('an attempt without an answer is remembered with the reason', async (t) => {
  const arrived = Promise.withResolvers<void>();
  const receiver = await startReceiver(t, () => arrived.resolve());
  const clock = createManualClock(0);
  const { send } = await openDelivery(t, receiver.url, { clock });
  const sent = send();
  await arrived.promise;
  await clock.advance(5_000);
  const { attempt, verdict } = await sent;
  const answer = `no answer from 127.0.0.1:${receiver.port} within 5000 ms`;
  assert.deepEqual(attempt, { atMs: 0, latencyMs: 5_000, status: null, answer });
  assert.deepEqual(verdict, { kind: 'retry', atMs: 6_000, error: answer, endpoint: 'failing' });
});

test('a receiver that resets the connection, and one that is not there, fail like any other', async (t) => {
  const receiver = await startReceiver(t, (_request, response) => response.destroy());
  const { send } = await openDelivery(t, receiver.url);
  const reset = await send();
  assert.match(reset.attempt.answer, /the connection to .* broke/);
  assert.equal(reset.verdict.kind, 'retry');
});

test('a 2xx whose answer is endless, or larger than is read, is done', async (t) => {
  const receiver = await startReceiver(t, (_request, response) => {
    response.writeHead(200);
    response.write('y'.repeat(200_000));
  });
  const { send } = await openDelivery(t, receiver.url);
  const { attempt, verdict } = await send();
  assert.deepEqual([verdict.kind, attempt.answer], ['done', 'y'.repeat(1_000)]);
});

test('records of one target travel in one request whose id is the same when they are sent again', async (t) => {
  const receiver = await startReceiver(t);
  const form = { kind: 'batch', recordsMax: 10, bytesMax: 10_000, lingerMs: 50 } as const;
  const { delivery, send } = await openDelivery(t, receiver.url, { form });
  const { recordsMax, bytesMax, lingerMs } = delivery.batch;
  assert.deepEqual([recordsMax, bytesMax, lingerMs], [10, 10_000, 50]);
  const [a, b, c] = [1n, 2n, 3n].map((offset) => ({ ...eventRecord, offset })) as [
    TopicRecord,
    TopicRecord,
    TopicRecord,
  ];
  for (const records of [[a, b], [a, b], [a, c], [a]]) await send(...records);
  const ids = receiver.seen.map(({ headers }) => headers['webhook-id']);
  assert.equal(ids[0], ids[1]);
  assert.equal(new Set(ids).size, 3);
  assert.equal(ids[3], 'orders~v1_2_1', 'alone it keeps its own');
  assert.doesNotMatch(ids.join(''), /\./);
  assert.equal(JSON.parse(receiver.seen[0]?.body ?? '').length, 2);
});

test('what follows depends on how many records were refused, and how often they failed before', async (t) => {
  const receiver = await startReceiver(t, (_request, response) => response.writeHead(413).end());
  const form = { kind: 'array', recordsMax: 10, bytesMax: 10_000, lingerMs: 0 } as const;
  const { delivery, prepare, send } = await openDelivery(t, receiver.url, { form });
  assert.equal((await send(eventRecord, { ...eventRecord, offset: 2n })).verdict.kind, 'split');
  const prepared = [await prepare()];
  assert.equal((await delivery.attempt(prepared, 1)).verdict.kind, 'retry');
  assert.equal((await delivery.attempt(prepared, 2)).verdict.kind, 'dead-letter');
});

test('a redirect is a failure and is not followed', async (t) => {
  const receiver = await startReceiver(t, (_request, response) =>
    response.writeHead(307, { location: `http://127.0.0.1:${receiver.port}/elsewhere` }).end(),
  );
  const { send } = await openDelivery(t, receiver.url);
  const { attempt, verdict } = await send();
  assert.deepEqual([attempt.status, verdict.kind], [307, 'retry']);
  assert.deepEqual(
    receiver.seen.map(({ path }) => path),
    ['/hook'],
  );
});

test('nothing reaches this machine by an address, however it is spelt, or by a name', async (t) => {
  const receiver = await startReceiver(t);
  const { port } = receiver;
  const resolveHere = (
    _name: string,
    _options: object,
    callback: (error: null, addresses: LookupAddress[]) => void,
  ) => callback(null, [{ address: '127.0.0.1', family: 4 }]);
  for (const host of [
    '127.0.0.1',
    '0x7f.1',
    '2130706433',
    '017700000001',
    '127.0.0.1.',
    '[::ffff:127.0.0.1]',
    '[::1]',
    'localhost',
    'hooks.example',
  ]) {
    const { send } = await openDelivery(t, `http://${host}:${port}/hook`, {
      resolve: resolveHere,
      endpoint: { allowPrivate: [] },
    });
    const { attempt, verdict } = await send();
    assert.match(attempt.answer, /nothing is sent to .*(not a|no) public address/, host);
    assert.equal(verdict.kind === 'retry' && verdict.endpoint, 'failing');
  }
  assert.deepEqual(receiver.seen, []);
  const meant = await openDelivery(t, `http://hooks.example:${port}/hook`, {
    resolve: resolveHere,
    endpoint: { allowPrivate: ['hooks.example'] },
  });
  assert.equal((await meant.send()).verdict.kind, 'done', 'unless it is meant');
});

test('without TLS nothing is sent unless it is allowed', async (t) => {
  const receiver = await startReceiver(t);
  const { send } = await openDelivery(t, receiver.url, { endpoint: { allowHttp: false } });
  assert.match((await send()).attempt.answer, /only https is allowed/);
  assert.deepEqual(receiver.seen, []);
});

test('no more connections are opened than allowed, and the rest wait', async (t) => {
  const ports = new Set<number | undefined>();
  const waiting: ServerResponse[] = [];
  const receiver = await startReceiver(t, (_request, response) => {
    ports.add(response.socket?.remotePort);
    waiting.push(response);
    // Answers in pairs, so that one connection alone would never get any.
    if (waiting.length === 2) for (const held of waiting.splice(0)) held.end();
  });
  const { send } = await openDelivery(t, receiver.url, { endpoint: { connectionsMax: 2 } });
  const results = await Promise.all(Array.from({ length: 10 }, () => send()));
  assert.ok(results.every(({ verdict }) => verdict.kind === 'done'));
  assert.equal(ports.size, 2);
});

test('an attempt of nothing is a defect, and thrown', async (t) => {
  const { delivery } = await openDelivery(t, nowhere);
  await assert.rejects(delivery.attempt([], 0), /at least one record/);
});
