import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { Agent, fetch as undiciFetch } from 'undici';
import { ensureCertificate } from '../local/certificate.ts';
import { systemClock } from '../src/shared/clock.ts';
import { consumeCountMax } from './consume.ts';
import { openTestProxy, type TestAnswer } from './test-proxy.ts';

const produce = '/v1/producer/topics/orders';
const partition0 = '/v1/consumer/topics/orders/partitions/0/offsets';

async function openWithTopic(partitionCount = 1, options: Parameters<typeof openTestProxy>[0] = {}) {
  const proxy = await openTestProxy(options);
  const created = await proxy.call('PUT', '/v1/topics/orders', { partition_count: partitionCount });
  assert.equal(created.status, 200, created.text);
  return proxy;
}

function assertRefused(answer: TestAnswer, status: number, errorCode: number, message: RegExp): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  const { error_code, message: text, ...rest } = answer.json as Record<string, unknown>;
  assert.equal(error_code, errorCode, answer.text);
  assert.match(String(text), message);
  assert.deepEqual(rest, {});
}

test("the seed's sample runs: create, list, produce six shapes, consume two at a time, read metadata", async () => {
  await using proxy = await openTestProxy();
  const created = await proxy.call('PUT', '/v1/topics/orders', {
    partition_count: 1,
    replication_factor: 1,
    topic_properties: { 'retention.ms': 604800000, 'min.insync.replicas': '1' },
  });
  assert.equal(created.status, 200);
  assert.equal(typeof created.json, 'string');
  assert.deepEqual((await proxy.call('GET', '/v1/metadata/topics')).json, { topics: ['orders'] });

  const nested = { 'group id': 1, servers: [{ 'server id': 1 }] };
  const produced = await proxy.call('POST', produce, {
    records: [
      { key: 'key1', value: '**********' },
      { partition: 0, value: 5 },
      { value: 3.14 },
      { value: { id: 1, name: 'proxy' } },
      { value: [{ id: 1 }, { id: 2 }] },
      { value: nested },
    ],
  });
  const placed = [0, 1, 2, 3, 4, 5].map((offset) => ({
    partition: 0,
    offset,
    error_code: null,
    error: null,
  }));
  assert.deepEqual(produced.json, { offsets: placed });

  const seen: unknown[] = [];
  let offset = '0';
  for (let page = 0; page < 4; page++) {
    const { json, headers } = await proxy.call('GET', `${partition0}/${offset}?count=2`);
    const { records } = json as { records: unknown[] };
    assert.equal(records.length, page < 3 ? 2 : 0);
    seen.push(...records);
    offset = headers.get('NextOffset') ?? '';
  }
  assert.equal(offset, '6');
  const common = { partition: 0, timestamp: proxy.clock.now(), timestampType: 'CREATE_TIME' };
  assert.deepEqual(seen, [
    { key: 'key1', value: '**********', offset: 0, ...common },
    { key: null, value: '5', offset: 1, ...common },
    { key: null, value: '3.14', offset: 2, ...common },
    { key: null, value: '{"id":1,"name":"proxy"}', offset: 3, ...common },
    { key: null, value: '[{"id":1},{"id":2}]', offset: 4, ...common },
    { key: null, value: JSON.stringify(nested), offset: 5, ...common },
  ]);
});

test('partitions name their offsets and brokers, alone as in the list', async () => {
  await using proxy = await openTestProxy();
  await proxy.call('PUT', '/v1/topics/orders', { partition_count: 2, replication_factor: 3 });
  await proxy.call('POST', produce, { records: [{ value: 'a', partition: 1 }] });
  const { brokers } = (await proxy.call('GET', '/v1/metadata/brokers')).json as { brokers: object[] };
  const { port } = new URL(proxy.url);
  assert.deepEqual(brokers[1], { hostName: 'localhost', port: Number(port), id: 1, rack: 'rack-1' });

  const list = (await proxy.call('GET', '/v1/metadata/topics/orders/partitions')).json;
  const one = (await proxy.call('GET', '/v1/metadata/topics/orders/partitions/1')).json;
  const [b0, b1, b2] = brokers;
  const all = (first: unknown, ...others: unknown[]) => {
    const replicas = [first, ...others];
    return { leader: first, replicas, isr: replicas };
  };
  const expected = [
    { partition_id: 0, earliest_offset: 0, latest_offset: 0, ...all(b0, b1, b2) },
    { partition_id: 1, earliest_offset: 0, latest_offset: 1, ...all(b1, b2, b0) },
  ];
  assert.deepEqual(list, { topic: 'orders', partitions: expected });
  assert.deepEqual(one, expected[1]);
});

test('a topic can be created without a body, but not twice', async () => {
  await using proxy = await openTestProxy();
  assert.equal((await proxy.call('PUT', '/v1/topics/orders')).status, 200);
  assertRefused(await proxy.call('PUT', '/v1/topics/orders'), 400, 36, /already a topic "orders"/);
});

test('a topic that cannot be made is refused with every reason', async () => {
  await using proxy = await openTestProxy();
  const answer = await proxy.call('PUT', '/v1/topics/orders', {
    partition_count: 0,
    replication_factor: 9,
    topic_properties: { 'retention.ms': 'soon', 'Clean Up': 'x', preallocate: [] },
  });
  assertRefused(answer, 400, 42, /partition_count.*replication_factor.*retention\.ms.*preallocate/);
  const names = await proxy.call('PUT', '/v1/topics/orders', { topic_properties: { 'Clean Up': 'x' } });
  assertRefused(names, 400, 42, /lower-case words/);
  for (const body of ['[]', 'null', '{"partition_count":"1"}', '{']) {
    assert.equal((await proxy.call('PUT', '/v1/topics/orders', body)).status, 400, body);
  }
  for (const name of ['..', '%2E', 'a%2Fb', 'sp%20ace', 'é', 'x'.repeat(250)]) {
    // `fetch` itself resolves dots in a path, so they are sent as bytes.
    assert.match(
      await rawRequest(proxy.url, `PUT /v1/topics/${encodeURI(name).replaceAll('%25', '%')}`),
      /^HTTP\/1.1 400.*"error_code":17/s,
      name,
    );
  }
  assertRefused(await proxy.call('PUT', '/v1/topics/%FF'), 400, 42, /percent-encoding/);
  assert.deepEqual((await proxy.call('GET', '/v1/metadata/topics')).json, { topics: [] });
});

/** Sends a request line as it is, without a body, and returns the whole answer. */
async function rawRequest(url: string, line: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`${line} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text;
}

test('values keep every digit, and keys that are not strings their JSON text', async () => {
  await using proxy = await openWithTopic();
  const body =
    '{"records":[{"key":{"a": 1.0},"value":9007199254740993},{"key":null,"value":[ 1e400, -0 ]},{"value":null}]}';
  assert.equal((await proxy.call('POST', produce, body)).status, 200);
  const { json } = await proxy.call('GET', `${partition0}/0?count=9`);
  const { records } = json as { records: { key: unknown; value: unknown }[] };
  assert.deepEqual(
    records.map(({ key, value }) => [key, value]),
    [
      ['{"a": 1.0}', '9007199254740993'],
      [null, '[ 1e400, -0 ]'],
      [null, 'null'],
    ],
  );
});

test('a record goes where it says, else where its key says, else to each partition in turn', async () => {
  await using proxy = await openWithTopic(10);
  const { json } = await proxy.call('POST', produce, {
    records: [
      { key: 'abc', value: 1 },
      { key: 'abc', partition: 2, value: 1 },
      { value: 1 },
      { value: 1, partition: null },
      { key: 'abc', value: 1 },
    ],
  });
  const { offsets } = json as { offsets: { partition: number; offset: number }[] };
  assert.deepEqual(
    offsets.map(({ partition, offset }) => [partition, offset]),
    [
      [7, 0],
      [2, 0],
      [0, 0],
      [1, 0],
      [7, 1],
    ],
  );
});

test('a produce call with anything wrong is refused whole, saying what and where', async () => {
  await using proxy = await openWithTopic(2);
  const refused: [string | Uint8Array, RegExp][] = [
    ['{"records":[{"value":1},]}', /cannot be read.*Unexpected token ']'.*"value":1},\]/],
    ['', /end of JSON/],
    [new Uint8Array([0x22, 0xff, 0x22]), /UTF-8/],
    ['[]', /object.*not a list/],
    ['{}', /"records".*not missing/],
    ['{"records":{}}', /"records".*not an object/],
    ['{"records":[]}', /at least one/],
    ['{"records":[{"value":1},5]}', /records\[1\].*not a number/],
    ['{"records":[{"value":1},{"key":"a"}]}', /records\[1\] has no "value"/],
    ['{"records":[{"value":1,"partition":2}]}', /records\[0\].partition.*0 to 1.*not 2/],
    ['{"records":[{"value":1,"partition":-1}]}', /not -1/],
    ['{"records":[{"value":1,"partition":0.5}]}', /not 0.5/],
    ['{"records":[{"value":1,"partition":"0"}]}', /not a string/],
    ['{"records":[{"value":"\\ud800"}]}', /unpaired surrogate/],
  ];
  for (const [body, message] of refused)
    assertRefused(await proxy.call('POST', produce, body), 400, 42, message);
  assert.deepEqual(
    proxy.log.ranges('orders').map(({ latest }) => latest),
    [0n, 0n],
  );
});

test('no body makes the proxy fail', async () => {
  await using proxy = await openWithTopic(2);
  const almost = fc.record(
    {
      records: fc.array(
        fc.oneof(
          fc.jsonValue(),
          fc.record(
            { value: fc.jsonValue(), key: fc.jsonValue(), partition: fc.oneof(fc.integer(), fc.jsonValue()) },
            { requiredKeys: [] },
          ),
        ),
      ),
    },
    { requiredKeys: [] },
  );
  const body = fc.oneof(
    almost.map((value) => JSON.stringify(value)),
    fc.json(),
    fc.string({ unit: 'binary' }),
    fc.uint8Array(),
  );
  await fc.assert(
    fc.asyncProperty(body, fc.constantFrom(produce, '/v1/topics/orders'), async (sent, path) => {
      const raw = sent instanceof Uint8Array ? new Uint8Array(sent) : sent;
      const { status } = await proxy.call(path === produce ? 'POST' : 'PUT', path, raw);
      assert.ok(status === 200 || status === 400, String(status));
    }),
  );
});

test('deeply nested JSON is stored like any other', async () => {
  await using proxy = await openWithTopic();
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  assert.equal((await proxy.call('POST', produce, `{"records":[{"value":${deep}}]}`)).status, 200);
  assert.equal(proxy.log.allRecords('orders')[0]?.value, deep);
});

test('one record is consumed unless a count is given', async () => {
  await using proxy = await openWithTopic();
  await proxy.call('POST', produce, { records: [{ value: 1 }, { value: 2 }, { value: 3 }] });
  const count = async (query: string) => {
    const { json } = await proxy.call('GET', `${partition0}/0${query}`);
    return (json as { records: unknown[] }).records.length;
  };
  assert.deepEqual(
    [await count(''), await count('?count=2'), await count(`?count=${consumeCountMax}`)],
    [1, 2, 3],
  );
  for (const bad of ['0', '-1', '1.5', '', 'x', String(consumeCountMax + 1), '1&count=2', '%FF']) {
    assertRefused(await proxy.call('GET', `${partition0}/0?count=${bad}`), 400, 42, /1 to 100000/);
  }
});

test('a page ends before 6 MB, yet a larger record is still given', async () => {
  await using proxy = await openWithTopic();
  const megabytes = (count: number) => ({ value: 'x'.repeat(count * 1024 * 1024) });
  for (const size of [4, 2, 1, 7]) await proxy.call('POST', produce, { records: [megabytes(size)] });
  const page = async (offset: number) => {
    const { json, headers } = await proxy.call('GET', `${partition0}/${offset}?count=10`);
    return [(json as { records: unknown[] }).records.length, headers.get('NextOffset')];
  };
  assert.deepEqual(await page(0), [2, '2']);
  assert.deepEqual(await page(2), [1, '3']);
  assert.deepEqual(await page(3), [1, '4']);
});

test('an offset out of range is refused with the range, and the latest offset is an empty page', async () => {
  await using proxy = await openWithTopic();
  await proxy.call('POST', produce, { records: [{ value: 1 }, { value: 2 }, { value: 3 }] });
  proxy.log.deleteRecords('orders', 0, 1n);
  assertRefused(await proxy.call('GET', `${partition0}/0`), 400, 1, /earliest offset is 1, the latest 3/);
  assertRefused(await proxy.call('GET', `${partition0}/4`), 400, 1, /earliest offset is 1, the latest 3/);
  const atEnd = await proxy.call('GET', `${partition0}/3`);
  assert.deepEqual([atEnd.status, atEnd.json, atEnd.headers.get('NextOffset')], [200, { records: [] }, '3']);
  for (const bad of ['-1', 'x', '1.0', '9223372036854775808']) {
    assertRefused(await proxy.call('GET', `${partition0}/${bad}`), 400, 42, /An offset is a decimal integer/);
  }
  assertRefused(await proxy.call('GET', `${partition0}/9223372036854775807`), 400, 1, /out of range/);
});

test('what is not there is 404, and what is there says which methods it takes', async () => {
  await using proxy = await openWithTopic();
  const consumer = '/v1/consumer/topics';
  const metadata = '/v1/metadata/topics';
  for (const [method, path] of [
    ['GET', `${metadata}/other/partitions`],
    ['GET', `${metadata}/other/partitions/0`],
    ['GET', `${metadata}/orders/partitions/1`],
    ['GET', `${consumer}/other/partitions/0/offsets/0`],
    ['GET', `${consumer}/orders/partitions/1/offsets/0`],
    ['POST', '/v1/producer/topics/other'],
  ] as const) {
    const body = method === 'POST' ? { records: [{ value: 1 }] } : undefined;
    assertRefused(await proxy.call(method, path, body), 404, 3, /no topic "other"|no partition 1/);
  }
  for (const path of ['/', '/v1', '/v1/metadata/topics/', '/V1/metadata/topics', '/control/faults']) {
    assertRefused(await proxy.call('GET', path), 404, 404, /There is nothing at/);
  }
  assertRefused(await proxy.call('GET', `${metadata}/orders/partitions/x`), 400, 42, /decimal integer/);
  for (const [method, path, allow] of [
    ['GET', produce, 'POST'],
    ['DELETE', '/v1/topics/orders', 'PUT'],
    ['OPTIONS', metadata, 'GET'],
    ['POST', `${partition0}/0`, 'GET'],
  ] as const) {
    const answer = await proxy.call(method, path);
    assertRefused(answer, 405, 405, new RegExp(`takes ${allow}`));
    assert.equal(answer.headers.get('allow'), allow);
  }
  assert.equal((await proxy.call('HEAD', metadata)).status, 405);
});

test('a body over the limit is refused, and the proxy goes on', async () => {
  await using proxy = await openWithTopic(1, { requestBytesMax: 100 });
  const records = (length: number) => `{"records":[{"value":"${'x'.repeat(length)}"}]}`;
  const over = records(100 - records(0).length + 1);
  assertRefused(await proxy.call('POST', produce, over), 413, 413, /larger than 100 bytes/);
  assert.equal((await proxy.call('POST', produce, records(100 - records(0).length))).status, 200);
});

test('a new topic can be seen and used only after the visibility delay', async () => {
  await using proxy = await openWithTopic(1, { visibilityDelayMs: 3000 });
  await proxy.clock.advance(2999);
  const before = await proxy.call('POST', produce, { records: [{ value: 1 }] });
  assertRefused(before, 404, 3, /no topic "orders"/);
  assert.deepEqual((await proxy.call('GET', '/v1/metadata/topics')).json, { topics: [] });
  assertRefused(await proxy.call('PUT', '/v1/topics/orders'), 400, 36, /already/);
  await proxy.clock.advance(1);
  assert.deepEqual((await proxy.call('GET', '/v1/metadata/topics')).json, { topics: ['orders'] });
  assert.equal((await proxy.call('POST', produce, { records: [{ value: 1 }] })).status, 200);
});

test('a deleted topic is listed for the visibility delay, once, though made anew meanwhile', async () => {
  await using proxy = await openWithTopic(1, { visibilityDelayMs: 3000 });
  const topics = async () => (await proxy.call('GET', '/v1/metadata/topics')).json;
  await proxy.clock.advance(3000);
  proxy.log.deleteTopic('orders');
  assert.deepEqual(await topics(), { topics: ['orders'] });
  assertRefused(await proxy.call('GET', `${partition0}/0`), 404, 3, /no topic/);
  await proxy.clock.advance(1000);
  await proxy.call('PUT', '/v1/topics/orders');
  await proxy.clock.advance(1999);
  assert.deepEqual(await topics(), { topics: ['orders'] });
  await proxy.clock.advance(1);
  assert.deepEqual(await topics(), { topics: [] });
  await proxy.clock.advance(1000);
  assert.deepEqual(await topics(), { topics: ['orders'] });
});

test('offsets beyond 2^53 are written to the digit', async () => {
  await using proxy = await openWithTopic();
  const latest = 9007199254740995n;
  const { log } = proxy;
  await using big = await openTestProxy({
    log: {
      ...log,
      topic: () => ({ name: 'big', partitionCount: 1, replicationFactor: 1, properties: {}, createdAtMs: 0 }),
      range: () => ({ earliest: latest - 2n, latest }),
      append: () => [latest],
      read: () => ({
        records: [{ partition: 0, offset: latest - 2n, key: null, value: 'x', timestampMs: 0 }],
        nextOffset: latest - 1n,
      }),
    },
  });
  const metadata = await big.call('GET', '/v1/metadata/topics/big/partitions/0');
  assert.match(metadata.text, /"earliest_offset":9007199254740993,"latest_offset":9007199254740995,/);
  const produced = await big.call('POST', '/v1/producer/topics/big', { records: [{ value: 1 }] });
  assert.match(produced.text, /"offset":9007199254740995,/);
  const consumed = await big.call('GET', '/v1/consumer/topics/big/partitions/0/offsets/9007199254740993');
  assert.match(consumed.text, /"offset":9007199254740993,/);
  assert.equal(consumed.headers.get('NextOffset'), '9007199254740994');
});

test('a failure of the log is a 500 that says so', async () => {
  await using proxy = await openWithTopic();
  const append = () => {
    throw new Error('the disk is full');
  };
  await using failing = await openTestProxy({ log: { ...proxy.log, append }, clock: proxy.clock });
  const answer = await failing.call('POST', produce, { records: [{ value: 1 }] });
  assertRefused(answer, 500, -1, /the disk is full/);
});

test('closing waits for a call that is under way', async () => {
  const proxy = await openWithTopic();
  const { hostname, port } = new URL(proxy.url);
  const socket = connect(Number(port), hostname);
  const body = JSON.stringify({ records: [{ value: 1 }] });
  socket.write(
    `POST ${produce} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`,
  );
  const chunks = socket.iterator();
  assert.match(String((await chunks.next()).value), /100 Continue/);
  const closed = proxy.close();
  socket.write(body);
  assert.match(String((await chunks.next()).value), /^HTTP\/1.1 200 .*connection: close.*"offset":0/s);
  await closed;
  await assert.rejects(fetch(proxy.url));
});

test('it speaks HTTPS with the key and certificate it is given', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'proxy-tls-'));
  const { key, cert } = await ensureCertificate({ dir, clock: systemClock });
  await rm(dir, { recursive: true });
  await using proxy = await openTestProxy({ tls: { key, cert } });
  assert.match(proxy.url, /^https:\/\/localhost:\d+$/);
  const dispatcher = new Agent({ connect: { ca: cert } });
  const response = await undiciFetch(`${proxy.url}/v1/metadata/topics`, { dispatcher });
  assert.deepEqual(await response.json(), { topics: [] });
  await dispatcher.close();
});
