import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { silentTelemetry } from '../shared/telemetry.ts';
import type { Fate } from './keep.ts';
import type { OutgoingRecord } from './ports.ts';
import { createPressure } from './pressure.ts';
import { type ReceiveOptions, receiveEvents } from './receive.ts';
import { prepareRouter } from './route.ts';

const router = await prepareRouter([
  { name: 'orders', source: 'orders', topic: 'orders', key: '/customer/id' },
  { name: 'typed', filter: { prefix: { type: 'com.example.' } }, topic: 'typed.events', key: 'partitionkey' },
]);
const produced: Fate = { kind: 'produced', partition: 1, offset: 9007199254740993n };

interface TestRequest {
  readonly body: string | Uint8Array;
  readonly source?: string;
  readonly headers?: Record<string, string>;
}

/** Receives one request; `fate` is what becomes of each record. */
async function receive(
  { body, source, headers }: TestRequest,
  fate = produced,
  changes: Partial<ReceiveOptions> = {},
) {
  const written: { topic: string; record: OutgoingRecord }[] = [];
  const answer = await receiveEvents(
    {
      router,
      carry: async (topic, records) => {
        written.push(...records.map((record) => ({ topic, record })));
        return records.map(() => fate);
      },
      once: (_event, keep) => keep(),
      telemetry: silentTelemetry,
      sources: { orders: { type: 'order.received' } },
      pressure: createPressure({ inFlightRequestsMax: 10, inFlightBytesMax: 10_000 }),
      readWebhook: () => assert.fail('no webhook is sent here'),
      limits: {
        bodyBytesMax: 1_000,
        depthMax: 20,
        eventsMax: 3,
        attributesBytesMax: 500,
        retryAfterSeconds: 7,
      },
      newId: () => 'new-id',
      now: () => Date.UTC(2026, 10, 22),
      ...changes,
    },
    {
      sourceName: source,
      headers: headersOf(headers),
      body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
    },
  );
  return { answer, written };
}

/** Plain JSON unless they say otherwise; an empty content type is none. */
function headersOf(headers: Record<string, string> = {}): Headers {
  const all = { 'content-type': 'application/json', ...headers };
  return new Headers(Object.entries(all).filter(([, value]) => value !== ''));
}

const structured = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
const batched = { 'content-type': 'application/cloudevents-batch+json' };
const event = { specversion: '1.0', id: 'e1', source: '/shop', type: 'com.example.made', partitionkey: 'p' };

test('plain JSON becomes the data of an event, nothing in it changed, and its key comes from it', async () => {
  const { answer, written } = await receive({
    source: 'orders',
    body: '{"customer":{"id":42},"total":9007199254740993}',
  });
  assert.equal(answer.status, 202);
  assert.equal(
    answer.body,
    '{"events":[{"id":"new-id","outcome":"produced","topic":"orders","partition":1,"offset":9007199254740993}]}',
  );
  assert.deepEqual([written[0]?.topic, written[0]?.record.key], ['orders', '42']);
  assert.match(
    JSON.stringify(written[0]?.record.value),
    /"data":\{"customer":\{"id":42\},"total":9007199254740993\}/,
  );
});

test('a CloudEvent is written whole and as it came, in each of the three modes', async () => {
  const { partitionkey: key, ...attributes } = event;
  const binary = {
    ...Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value])),
  };
  for (const request of [
    { headers: structured, body: JSON.stringify(event) },
    { headers: batched, body: JSON.stringify([event]) },
    { headers: { ...binary, 'ce-partitionkey': key, 'content-type': '' }, body: '' },
  ]) {
    const { answer, written } = await receive(request);
    assert.equal(answer.status, 202, answer.body);
    assert.deepEqual(written, [{ topic: 'typed.events', record: { value: event, key: 'p' } }]);
  }
});

test('a batch is taken in whole or not at all', async () => {
  const good = JSON.stringify([event, { ...event, id: 'e2' }]);
  const both = await receive({ headers: batched, body: good });
  assert.equal(both.answer.status, 202);
  assert.equal(both.written.length, 2);

  const bad = JSON.stringify([event, { ...event, id: 'e2', type: 'nobody.wants.this' }]);
  const none = await receive({ headers: batched, body: bad });
  assert.equal(none.answer.status, 404);
  assert.match(none.answer.body, /event 1 of the batch \(id e2\).*nothing of the batch was taken in/);
  assert.deepEqual(none.written, []);
});

test('what cannot be taken in is refused with what would be right, and nothing is written', async () => {
  const cases: [TestRequest, number, RegExp][] = [
    [{ source: 'orders', body: '{"a":' }, 400, /malformed-body/],
    [{ source: 'orders', body: new Uint8Array([0x22, 0xff, 0x22]) }, 400, /malformed-body/],
    [{ source: 'orders', body: `${'['.repeat(30)}${']'.repeat(30)}` }, 400, /too-deep/],
    [{ headers: structured, body: '{"specversion":"9.9"}' }, 400, /invalid-event.*id is required/],
    [{ source: 'constructor', body: '{}' }, 404, /unknown-source.*constructor/],
    [{ body: '{}' }, 404, /unknown-source.*\/api\/events\/\{source\}/],
    [{ headers: structured, body: JSON.stringify({ ...event, type: 'other' }) }, 404, /no-route.*type other/],
    [{ source: 'orders', body: `"${'x'.repeat(1_000)}"` }, 413, /body-too-large/],
    [{ headers: batched, body: JSON.stringify(Array(4).fill(event)) }, 413, /too-many-events/],
    [{ source: 'orders', headers: { 'content-type': 'text/xml' }, body: '<a/>' }, 415, /unsupported-format/],
  ];
  for (const [request, status, expected] of cases) {
    const { answer, written } = await receive(request);
    assert.equal(answer.status, status, answer.body);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    assert.match(answer.body, expected);
    assert.deepEqual(written, []);
  }
});

test('a body may be as large as the limit, and not a byte larger', async () => {
  const bodyOf = (bytes: number) => `"${'x'.repeat(bytes - 2)}"`;
  assert.equal((await receive({ source: 'orders', body: bodyOf(1_000) })).answer.status, 202);
  const { answer } = await receive({ source: 'orders', body: bodyOf(1_001) });
  assert.equal(answer.status, 413);
  assert.match(answer.body, /1001 bytes; at most 1000 are taken \(limits\.bodyBytesMax\)/);
});

test('the answer tells what became of the event', async () => {
  const request = { source: 'orders', body: '{}' };
  const queued = await receive(request, { kind: 'queued' });
  assert.deepEqual([queued.answer.status, /"outcome":"queued"/.test(queued.answer.body)], [202, true]);
  const deadLettered = await receive(request, {
    kind: 'dead-lettered',
    code: 'kafka-rest.refused',
    message: 'too large',
  });
  assert.deepEqual(
    [deadLettered.answer.status, /"outcome":"dead-lettered"/.test(deadLettered.answer.body)],
    [202, true],
  );

  const failed = await receive(request, {
    kind: 'failed',
    code: 'storage.unavailable',
    message: 'no answer of 10.1.2.3',
  });
  assert.equal(failed.answer.status, 503);
  assert.equal(failed.answer.headers['retry-after'], '7');
  assert.match(failed.answer.body, /storage\.unavailable/);
  assert.doesNotMatch(
    failed.answer.body,
    /10\.1\.2\.3/,
    'what lies behind the bridge is not told to strangers',
  );
});

test('when too much is under way the answer is 429 with Retry-After, and nothing is written', async () => {
  const full = { pressure: { enter: () => undefined } };
  const { answer, written } = await receive({ source: 'orders', body: '{}' }, produced, full);
  assert.deepEqual([answer.status, answer.headers['retry-after'], written], [429, '7', []]);
});

test('an event keeps the trace it started in, and one without starts in that of its request', async () => {
  const started = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const hop = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const traceOf = async (body: object, traceparent: string) => {
    const { written } = await receive({
      headers: { ...structured, traceparent },
      body: JSON.stringify(body),
    });
    const value = written[0]?.record.value as { traceparent?: string } | undefined;
    return value?.traceparent;
  };
  assert.equal(await traceOf({ ...event, traceparent: started }, hop), started);
  assert.equal(await traceOf(event, hop), hop);
  assert.equal(await traceOf(event, 'nonsense'), undefined);
});

test('whatever bytes and headers arrive, the answer is deliberate and only a 202 has written', async () => {
  const types = [
    'application/json',
    structured['content-type'],
    batched['content-type'],
    'text/plain',
    '',
    'a/b+json',
  ];
  const json = fc.jsonValue().map((value) => new TextEncoder().encode(JSON.stringify(value)));
  const events = fc.jsonValue().map((data) => new TextEncoder().encode(JSON.stringify({ ...event, data })));
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.uint8Array(), json, events),
      fc.constantFrom(...types),
      fc.constantFrom('orders', '__proto__', ''),
      fc.dictionary(fc.stringMatching(/^ce-[a-z]{1,8}$/), fc.stringMatching(/^[ -~]{0,20}$/)),
      async (body, contentType, source, headers) => {
        const request = {
          body,
          headers: { ...headers, 'content-type': contentType },
          ...(source && { source }),
        };
        const { answer, written } = await receive(request);
        assert.ok([202, 400, 404, 413, 415, 431].includes(answer.status), answer.body);
        if (answer.status !== 202) assert.deepEqual(written, []);
      },
    ),
  );
});
