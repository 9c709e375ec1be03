import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CloudEvent } from '../events/cloud-event.ts';
import { assertProduced } from './accept.ts';
import { fromEventGrid } from './event-grid.ts';
import type { OutgoingRecord, WriteOutcome } from './ports.ts';
import { type IncomingRequest, receiveEvent } from './receive.ts';
import { atPointer, chooseRoute, type Route, toRecord } from './route.ts';
import { occurrenceOf, scheduledEvent } from './schedule.ts';

const routes: Route[] = [
  { name: 'orders', source: 'orders', topic: 'orders', key: '/customer/id' },
  { name: 'typed', filter: { prefix: { type: 'com.example.' } }, topic: 'typed.events', key: 'partitionkey' },
];

/** Receives one request; `outcome` is what the log answers for its record. */
async function receive(
  request: Partial<Omit<IncomingRequest, 'body'>> & { body: string | Uint8Array },
  outcome: WriteOutcome = { ok: true, partition: 1, offset: 9007199254740993n },
) {
  const written: { topic: string; record: OutgoingRecord }[] = [];
  const answer = await receiveEvent(
    {
      routes,
      write: async (topic, records) => {
        written.push(...records.map((record) => ({ topic, record })));
        return records.map(() => outcome);
      },
      sources: { orders: { type: 'order.received' } },
      limits: { bodyBytesMax: 1_000, retryAfterSeconds: 7 },
      newId: () => 'new-id',
      now: () => Date.UTC(2026, 10, 22),
    },
    {
      sourceName: undefined,
      contentType: 'application/json',
      binaryMode: false,
      ...request,
      body: typeof request.body === 'string' ? new TextEncoder().encode(request.body) : request.body,
    },
  );
  return { answer, written, json: JSON.parse(answer.body) as { type?: string; detail?: string } };
}

const structured = 'application/cloudevents+json; charset=utf-8';
const event = { specversion: '1.0', id: 'e1', source: '/shop', type: 'com.example.made', partitionkey: 'p' };

test('plain JSON becomes the data of an event, nothing in it changed, and its key comes from it', async () => {
  const { answer, written } = await receive({
    sourceName: 'orders',
    body: '{"customer":{"id":42},"total":9007199254740993}',
  });
  assert.equal(answer.status, 202);
  assert.equal(
    answer.body,
    '{"events":[{"id":"new-id","outcome":"produced","topic":"orders","partition":1,"offset":9007199254740993}]}',
  );
  assert.equal(written[0]?.topic, 'orders');
  assert.equal(written[0]?.record.key, '42');
  assert.match(
    JSON.stringify(written[0]?.record.value),
    /"data":\{"customer":\{"id":42\},"total":9007199254740993\}/,
  );
});

test('a structured CloudEvent is written whole and as it came', async () => {
  const { answer, written } = await receive({ contentType: structured, body: JSON.stringify(event) });
  assert.equal(answer.status, 202);
  assert.deepEqual(written, [{ topic: 'typed.events', record: { value: event, key: 'p' } }]);
});

test('what cannot be taken in is refused with what would be right, and nothing is written', async () => {
  const cases: [Parameters<typeof receive>[0], number, RegExp][] = [
    [{ sourceName: 'orders', body: '{"a":' }, 400, /malformed-body.*not JSON/],
    [{ sourceName: 'orders', body: '' }, 400, /malformed-body/],
    [{ sourceName: 'orders', body: new Uint8Array([0x22, 0xff, 0x22]) }, 400, /not UTF-8/],
    [{ contentType: structured, body: '{"specversion":"9.9"}' }, 400, /invalid-event.*id is required/],
    [{ contentType: structured, body: '[]' }, 400, /invalid-event.*must be a JSON object/],
    [{ sourceName: 'constructor', body: '{}' }, 404, /unknown-source.*constructor/],
    [{ body: '{}' }, 404, /unknown-source.*\/api\/events\/\{source\}/],
    [
      { contentType: structured, body: JSON.stringify({ ...event, type: 'other' }) },
      404,
      /no-route.*type other/,
    ],
    [{ sourceName: 'orders', body: `"${'x'.repeat(1_000)}"` }, 413, /body-too-large.*at most 1000/],
    [{ sourceName: 'orders', contentType: 'text/xml', body: '<a/>' }, 415, /text\/xml is not supported/],
    [{ sourceName: 'orders', contentType: undefined, body: '{}' }, 415, /\(none\) is not supported/],
    [{ contentType: 'application/cloudevents-batch+json', body: '[]' }, 415, /batches are not supported/],
    [{ binaryMode: true, sourceName: 'orders', body: '{}' }, 415, /binary mode is not supported/],
  ];
  for (const [request, status, expected] of cases) {
    const { answer, written } = await receive(request);
    assert.equal(answer.status, status, answer.body);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    assert.match(answer.body, expected);
    assert.deepEqual(written, []);
  }
});

test('an event that the log did not take is answered 503 with Retry-After', async () => {
  const failed: WriteOutcome = {
    ok: false,
    code: 'kafka-rest.unreachable',
    message: 'no answer from 10.1.2.3',
  };
  const { answer, json } = await receive({ sourceName: 'orders', body: '{}' }, failed);
  assert.equal(answer.status, 503);
  assert.equal(answer.headers['retry-after'], '7');
  assert.match(json.detail ?? '', /kafka-rest\.unreachable/);
  assert.doesNotMatch(answer.body, /10\.1\.2\.3/, 'what lies behind the bridge is not told to strangers');
});

test('whatever bytes arrive, the answer is deliberate and only a 202 has written', async () => {
  const contentTypes = ['application/json', structured, 'text/plain', '', 'application/vnd.api+json'];
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array(),
        fc.jsonValue().map((value) => new TextEncoder().encode(JSON.stringify(value))),
        fc.jsonValue().map((data) => new TextEncoder().encode(JSON.stringify({ ...event, data }))),
      ),
      fc.constantFrom(...contentTypes),
      fc.constantFrom(undefined, 'orders', '__proto__'),
      async (body, contentType, sourceName) => {
        const { answer, written } = await receive({ body, contentType, sourceName });
        assert.ok([202, 400, 404, 413, 415].includes(answer.status));
        assert.equal(written.length, answer.status === 202 ? 1 : 0);
      },
    ),
  );
});

test('the first route that fits decides', () => {
  const typed: CloudEvent = { specversion: '1.0', id: '1', source: '/s', type: 'com.example.x' };
  assert.equal(chooseRoute(routes, typed, 'orders')?.name, 'orders');
  assert.equal(chooseRoute(routes, typed, 'other')?.name, 'typed');
  assert.equal(chooseRoute(routes, { ...typed, type: 'x' }, undefined), undefined);
});

test('a key is found by attribute or by JSON Pointer, and a record may have none', () => {
  const data = { 'a/b': { '~': ['x', 7, true, null, {}] } };
  assert.equal(atPointer(data, '/a~1b/~0/0'), 'x');
  assert.equal(atPointer(data, '/a~1b/~0/1'), '7');
  assert.equal(atPointer(data, '/a~1b/~0/2'), 'true');
  for (const pointer of ['/a~1b/~0/3', '/a~1b/~0/4', '/missing', '/a~1b/~0/length/x', '/toString']) {
    assert.equal(atPointer(data, pointer), undefined, pointer);
  }
  const subject: CloudEvent = { specversion: '1.0', id: '1', source: '/s', type: 't', subject: 'customer-7' };
  assert.equal(toRecord(subject, { topic: 'a', key: 'subject' }).key, 'customer-7');
  assert.ok(!('key' in toRecord(subject, { topic: 'a', key: 'partitionkey' })));
});

test('an event of the Event Grid schema becomes the CloudEvent that Event Grid itself would make', () => {
  const converted = fromEventGrid({
    id: '831e1650-001e-001b-66ab-eeb76e069631',
    topic: '/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a',
    subject: '/blobServices/default/containers/c/blobs/new-file.txt',
    eventType: 'Microsoft.Storage.BlobCreated',
    eventTime: '2017-06-26T18:41:00.9584103Z',
    data: { api: 'PutBlockList' },
    dataVersion: '',
    metadataVersion: '1',
  });
  assert.deepEqual(converted, {
    specversion: '1.0',
    id: '831e1650-001e-001b-66ab-eeb76e069631',
    source: '/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a',
    subject: '/blobServices/default/containers/c/blobs/new-file.txt',
    type: 'Microsoft.Storage.BlobCreated',
    time: '2017-06-26T18:41:00.9584103Z',
    datacontenttype: 'application/json',
    data: { api: 'PutBlockList' },
  });
  assert.deepEqual(fromEventGrid(event), event);
  assert.throws(() => fromEventGrid({ id: 'x' }), { code: 'event-grid.invalid' });
  assert.throws(() => fromEventGrid({ ...event, source: '' }), /source must not be empty/);
});

test('an occurrence of a schedule makes the same event however often its timer fires', () => {
  const nowMs = Date.parse('2026-11-22T10:00:00.730Z');
  const due = '2026-11-22T10:00:00+00:00';
  assert.equal(occurrenceOf(due, nowMs), Date.parse(due));
  assert.equal(occurrenceOf('2026-11-22T11:00:00+00:00', nowMs), nowMs, 'a run at startup has no occurrence');
  assert.equal(occurrenceOf(undefined, nowMs), nowMs);
  const first = scheduledEvent('nightly', { type: 't' }, occurrenceOf(due, nowMs));
  const second = scheduledEvent('nightly', { type: 't' }, occurrenceOf(due, nowMs + 90_000));
  assert.deepEqual(first, second);
  assert.equal(first.id, 'nightly-2026-11-22T10:00:00.000Z');
});

test('a trigger without an answer fails when its event was not written', () => {
  assert.throws(
    () => assertProduced([{ kind: 'produced', topic: 'a' }, { kind: 'unrouted' }]),
    /no route fits/,
  );
  assert.throws(
    () => assertProduced([{ kind: 'failed', topic: 'a', code: 'c', message: '' }]),
    /did not take/,
  );
});
