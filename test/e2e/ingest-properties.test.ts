import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { encodeRequest, exchangeRaw, type RawAnswer, type RawRequest } from '../support/raw-http.ts';
import { openTestCloud, patienceMs } from '../support/test-cloud.ts';

const wellFramedRuns = 250;
const brokenRuns = 12;
/** A server that waits for more of a broken request is left after this. */
const brokenIdleMs = 300;
const bodyBytesMax = 1_048_576;

const cloud = await openTestCloud();
const host = await cloud.startHost();
let ended = false;
void host.exited.then(() => {
  ended = true;
});
after(() => host.stop());

const topics = ['orders.v1', 'github', 'storage', 'ticks'];
/** Positions of the log that an answer has named, over all runs: `topic partition offset`. */
const acknowledged = new Set<string>();

const printable = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
});
/** What a header value may hold on the wire: anything but control characters, and the tab. */
const headerValue = fc.oneof(
  printable,
  fc.string({
    unit: fc
      .oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff }), fc.constant(9))
      .map((code) => String.fromCharCode(code)),
  }),
  fc.constantFrom(
    '%',
    '%zz',
    '%ff',
    '%00',
    '%F0%9F%98%80',
    '"',
    '"quoted"',
    '1.0',
    '2026-01-31T12:00:00Z',
    '',
  ),
);
const headerName = fc.oneof(
  fc.constantFrom(
    'ce-specversion',
    'ce-id',
    'ce-source',
    'ce-type',
    'ce-time',
    'ce-subject',
    'ce-data',
    'ce-datacontenttype',
    'ce-__proto__',
    'ce-',
    'ce-UPPER',
    'traceparent',
    'tracestate',
    'x-github-event',
    'x-github-delivery',
    'webhook-request-origin',
    'content-encoding',
    'accept',
  ),
  fc
    .string({ unit: fc.constantFrom(...'abz09-_.!#'), minLength: 1, maxLength: 12 })
    .map((name) => `ce-${name}`),
);
const contentType = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      'application/cloudevents+json',
      'application/cloudevents-batch+json; charset=utf-8',
      'application/json',
    ),
  },
  fc.constantFrom(
    'application/cloudevents+json; charset=latin1',
    'application/cloudevents+avro',
    'application/x-www-form-urlencoded',
    'text/plain',
    'application/octet-stream',
    ';',
  ),
  headerValue,
);

/** An event that is good but for what replaces some of its members. */
const eventText = fc
  .tuple(
    fc.uuid(),
    fc.constantFrom('order', 'Microsoft.Storage.BlobCreated'),
    fc.oneof(
      { weight: 2, arbitrary: fc.constant({}) },
      fc.dictionary(
        fc.oneof(
          fc.constantFrom(
            'id',
            'source',
            'type',
            'specversion',
            'time',
            'data',
            'data_base64',
            'datacontenttype',
          ),
          fc.constantFrom('subject', 'partitionkey', 'dataschema', '__proto__', 'constructor', 'Upper'),
          fc.string(),
        ),
        fc.jsonValue(),
        { maxKeys: 2 },
      ),
    ),
  )
  .map(([id, type, replaced]) =>
    JSON.stringify({ specversion: '1.0', id, source: '/any', type, ...replaced }),
  );
const jsonText = fc.oneof(
  { weight: 4, arbitrary: eventText },
  { weight: 2, arbitrary: fc.array(eventText, { maxLength: 4 }).map((events) => `[${events.join(',')}]`) },
  fc.json(),
  fc.constantFrom('', ' ', 'null', '[]', '{}', '-', '1e999', '{"a":1e999,"a":-0}', '\ufeff{}', '"\\ud800"'),
  fc.integer({ min: 1, max: 5_000 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
  fc.integer({ min: 1, max: 5_000 }).map((depth) => '{"a":'.repeat(depth)),
);
const body = fc.oneof(
  { weight: 6, arbitrary: jsonText.map((text) => Buffer.from(text)) },
  {
    weight: 2,
    arbitrary: fc.tuple(jsonText, fc.nat(), fc.nat(255)).map(([text, at, byte]) => {
      const bytes = Buffer.from(text);
      if (bytes.length > 0) bytes[at % bytes.length] = byte;
      return bytes;
    }),
  },
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(0, 1).map((more) => Buffer.alloc(bodyBytesMax + more, 0x20)),
);
const path = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('/api/events', '/api/events/orders', '/api/webhooks/github') },
  fc.constantFrom('/api/events/__proto__', '/api/webhooks/constructor', '/api/events/orders?a=%zz&a'),
  printable.map((name) => `/api/webhooks/_${encodeURIComponent(name)}`),
  printable.map((name) => `/api/events/_${encodeURIComponent(name)}`),
);

/** Some webhooks are signed, so that what is wrong with them is found behind the signature. */
const request: fc.Arbitrary<RawRequest> = fc
  .record({
    path,
    contentType: fc.option(contentType, { freq: 8 }),
    headers: fc.uniqueArray(fc.tuple(headerName, headerValue), {
      maxLength: 6,
      selector: ([name]) => name.toLowerCase(),
    }),
    body,
    signed: fc.boolean(),
  })
  .map(({ path, contentType, headers, body, signed }) => {
    const all: [string, string][] = [...headers];
    if (contentType !== null) all.push(['content-type', contentType]);
    if (signed) {
      const signature = createHmac('sha256', 'test-github-secret').update(body).digest('hex');
      all.push(['x-hub-signature-256', `sha256=${signature}`]);
    }
    return { path, headers: all, body };
  });

/** How many records the log holds. */
function heldCount(): number {
  return topics
    .filter((topic) => cloud.log.topic(topic) !== undefined)
    .flatMap((topic) => cloud.log.ranges(topic))
    .reduce((sum, { latest }) => sum + Number(latest), 0);
}

/** Checks an answer by itself, and notes what it acknowledges. */
function check(answer: RawAnswer): void {
  if (answer.status === 202) {
    for (const { id, outcome, topic, partition, offset } of JSON.parse(answer.body).events) {
      assert.equal(outcome, 'produced', answer.body);
      const record = cloud.log.allRecords(topic, partition)[offset];
      assert.equal(JSON.parse(record?.value ?? '{}').id, id, 'the position is that of the event');
      acknowledged.add(`${topic} ${partition} ${offset}`);
    }
    return;
  }
  assert.match(String(answer.status), /^4\d\d$/, answer.body);
  assert.equal(answer.headers.get('content-type'), 'application/problem+json', answer.body);
  const { type, status, title, detail } = JSON.parse(answer.body);
  assert.match(type, /^urn:sluice:problem:/);
  assert.equal(status, answer.status);
  assert.ok(title && detail, answer.body);
  if (status === 429) assert.ok(answer.headers.get('retry-after'));
}

test('whatever bytes and headers arrive, the answer is deliberate, and the log holds exactly what it says', async (t) => {
  const seen = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 4 }), async (requests) => {
      const answers = await Promise.all(
        requests.map((sent) => exchangeRaw(host.url, encodeRequest(sent), patienceMs)),
      );
      for (const [answer, ...more] of answers) {
        assert.ok(answer !== undefined && more.length === 0, 'one answer a request');
        check(answer);
        seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
      }
      assert.equal(heldCount(), acknowledged.size, 'what was refused is not in the log');
      assert.equal(ended, false, 'the host runs');
    }),
    { numRuns: wellFramedRuns },
  );
  t.diagnostic(JSON.stringify(Object.fromEntries(seen)));
  for (const status of [202, 400, 401, 404, 413, 415]) {
    assert.ok(seen.has(status), `the requests are of every kind: ${status}`);
  }
});

/** A request whose bytes were changed in the head, where the framing is, or cut off anywhere. */
const brokenRequest = fc
  .tuple(
    eventText,
    fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 9, 10, 13, 32, 58))), {
      maxLength: 3,
    }),
    fc.option(fc.nat()),
    fc.constantFrom([], [['transfer-encoding', 'chunked'] as const], [['content-length', '3'] as const]),
  )
  .map(([text, changes, cut, headers]) => {
    const all = [['content-type', 'application/cloudevents+json'] as const, ...headers];
    const bytes = encodeRequest({ path: '/api/events/orders', headers: all, body: Buffer.from(text) });
    const headEnd = bytes.indexOf('\r\n\r\n') + 4;
    for (const [at, byte] of changes) bytes[at % headEnd] = byte;
    return cut === null ? bytes : bytes.subarray(0, cut % bytes.length);
  });

test('whatever comes instead of HTTP is refused or ignored, and the next request is served', async (t) => {
  const seen = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof({ weight: 5, arbitrary: brokenRequest }, fc.uint8Array({ minLength: 1, maxLength: 300 })),
        {
          minLength: 1,
          maxLength: 16,
        },
      ),
      async (broken) => {
        const answers = await Promise.all(broken.map((bytes) => exchangeRaw(host.url, bytes, brokenIdleMs)));
        for (const answer of answers.flat()) {
          seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
          assert.match(String(answer.status), /^(2|4)\d\d$/, answer.body);
          if (answer.headers.get('content-type') !== 'application/json') continue;
          check(answer);
        }
        assert.equal(heldCount(), acknowledged.size, 'what was not acknowledged is not in the log');
        assert.equal(ended, false, 'the host runs');
      },
    ),
    { numRuns: brokenRuns },
  );
  t.diagnostic(JSON.stringify(Object.fromEntries(seen)));
  const event = JSON.stringify({ specversion: '1.0', id: 'good', source: '/any', type: 'order' });
  const good = {
    path: '/api/events/orders',
    headers: [['content-type', 'application/cloudevents+json'] as const],
  };
  const [answer] = await exchangeRaw(
    host.url,
    encodeRequest({ ...good, body: Buffer.from(event) }),
    patienceMs,
  );
  assert.equal(answer?.status, 202, answer?.body);
});
