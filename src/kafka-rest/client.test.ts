import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../test/support/manual-clock.ts';
import type { Clock } from '../shared/clock.ts';
import { type HttpAnswer, HttpError, type HttpRequest } from '../shared/http.ts';
import { createKafkaRest } from './client.ts';
import { KafkaRestError } from './errors.ts';

type Scripted = { status?: number; headers?: Record<string, string>; body?: unknown } | HttpError;

const refused = new HttpError({ failure: 'connect', message: 'cannot connect' });
const broken = new HttpError({ failure: 'broken', message: 'the connection broke' });

const timeoutMs = 1_000;

/** A client over answers given beforehand; it keeps what was sent and how long it waited. */
function scripted(...answers: Scripted[]) {
  const sent: HttpRequest[] = [];
  const waits: number[] = [];
  let nowMs = Date.parse('2026-11-22T10:00:00Z');
  let tokenNumber = 1;
  const clock: Clock = {
    now: () => nowMs,
    sleep: async (delayMs, signal) => {
      signal?.throwIfAborted();
      // The deadline of a token is a wait of another kind: it ends with the token, long before its time.
      if (delayMs === timeoutMs) return new Promise((_, reject) => signal?.addEventListener('abort', reject));
      waits.push(delayMs);
      nowMs += delayMs;
    },
  };
  const send = async (request: HttpRequest): Promise<HttpAnswer> => {
    sent.push(request);
    const next = answers.shift();
    assert.ok(next, `one call more than expected: ${request.method} ${request.url}`);
    if (next instanceof HttpError) throw next;
    const body = typeof next.body === 'string' ? next.body : JSON.stringify(next.body ?? {});
    return { status: next.status ?? 200, headers: next.headers ?? {}, body };
  };
  const tokens = {
    current: async () => `token-${tokenNumber}`,
    replace: async () => `token-${++tokenNumber}`,
  };
  const client = createKafkaRest({
    url: 'https://proxy.example',
    tokens,
    send,
    clock,
    random: () => 1,
    timeoutMs,
  });
  return { client, sent, waits, unused: answers };
}

const partitionAnswer = {
  partition_id: 0,
  earliest_offset: 3,
  latest_offset: 9,
  leader: null,
  replicas: [],
  isr: [],
};

test('offsets beyond 2^53 are read exactly, as numbers or as strings', async () => {
  const { client } = scripted(
    { body: '{"partition_id":0,"earliest_offset":9007199254740993,"latest_offset":"9223372036854775807"}' },
    { body: `{"offsets":[{"partition":0,"offset":9007199254740993}]}` },
  );
  const partition = await client.getPartition('orders', 0);
  assert.equal(partition.earliestOffset, 9007199254740993n);
  assert.equal(partition.latestOffset, 9223372036854775807n);
  assert.deepEqual(await client.produce('orders', [{ value: 1 }]), [
    { ok: true, partition: 0, offset: 9007199254740993n },
  ]);
});

test('a page is read as a bare array and as an object of records', async () => {
  const record = {
    key: null,
    value: 'a',
    partition: 0,
    offset: 7,
    timestamp: 1,
    timestampType: 'CREATE_TIME',
  };
  const { client, sent } = scripted(
    { body: [record] },
    { body: { records: [record] }, headers: { nextoffset: '12' } },
    { body: { records: [] } },
  );
  const position = { topic: 'orders.v1', partition: 0, offset: 7n, count: 2 };
  assert.equal((await client.consume(position)).nextOffset, 8n, 'without NextOffset: after the last record');
  assert.equal((await client.consume(position)).nextOffset, 12n, 'NextOffset says more');
  assert.equal((await client.consume(position)).nextOffset, 7n, 'an empty page stays where it is');
  assert.equal(
    sent[0]?.url,
    'https://proxy.example/v1/consumer/topics/orders.v1/partitions/0/offsets/7?count=2',
  );
});

test('every produce answer of 2xx is success, whatever its string says', async () => {
  for (const body of ['', 'done', '"Produced 2 records"', {}]) {
    const { client } = scripted({ body });
    assert.deepEqual(await client.produce('orders', [{ value: 1 }, { value: 2 }]), [
      { ok: true },
      { ok: true },
    ]);
  }
});

test('a record that failed inside a 200 is a failed record, its neighbours are not', async () => {
  const { client } = scripted({
    body: {
      offsets: [
        { partition: 0, offset: 5, error_code: null, error: null },
        { partition: null, offset: null, error_code: 10, error: 'RecordTooLarge' },
      ],
    },
  });
  const [first, second] = await client.produce('orders', [{ value: 1 }, { value: 2 }]);
  assert.deepEqual(first, { ok: true, partition: 0, offset: 5n });
  assert.ok(second && !second.ok);
  assert.equal(second.error.code, 'kafka-rest.record-failed');
  assert.match(second.error.message, /RecordTooLarge/);
});

test('a 200 that reports an error in any form is no success', async () => {
  const failing = [
    { offsets: [{ error_code: '50001', error: 'boom' }] },
    { offsets: [{ error_code: 5, error: { message: 'x' } }] },
    [{ error_code: 3, error: 'x' }],
    { offsets: [null] },
    { offsets: 'none' },
    { error_code: '40403', message: 'x' },
    { error: 'boom' },
  ];
  for (const body of failing) {
    const { client } = scripted({ body });
    const taken = await client.produce('orders', [{ value: 1 }]).then(
      ([outcome]) => outcome?.ok,
      () => false,
    );
    assert.equal(taken, false, JSON.stringify(body));
  }
  const { client } = scripted({
    body: { offsets: [{ partition: 0, offset: -1, error_code: 0, error: null }] },
  });
  assert.deepEqual(await client.produce('orders', [{ value: 1 }]), [{ ok: true, partition: 0 }]);
});

test('a 200 that answers for another number of records is no success', async () => {
  const { client } = scripted({ body: { offsets: [{ partition: 0, offset: 5 }] } });
  await assert.rejects(client.produce('orders', [{ value: 1 }, { value: 2 }]), {
    code: 'kafka-rest.unreadable',
  });
});

test('reads are repeated on 5xx, 429 and a broken connection, as patiently as the proxy asks', async () => {
  const { client, waits } = scripted(
    { status: 503 },
    { status: 429, headers: { 'retry-after': '3' } },
    broken,
    { body: partitionAnswer },
  );
  assert.equal((await client.getPartition('orders', 0)).earliestOffset, 3n);
  assert.deepEqual(waits, [200, 3000, 800]);
});

test('a read gives up after its attempts, with the last error', async () => {
  const { client, sent } = scripted({ status: 500 }, { status: 500 }, { status: 500 }, { status: 502 });
  await assert.rejects(client.listTopics(), { code: 'kafka-rest.failed', status: 502, retryable: true });
  assert.equal(sent.length, 4);
});

test('a proxy that asks for a longer wait than is reasonable is not waited for', async () => {
  const { client } = scripted({ status: 503, headers: { 'retry-after': '3600' } });
  await assert.rejects(client.listTopics(), { code: 'kafka-rest.failed', retryAfterMs: 3_600_000 });
});

test('produce is repeated only where the proxy surely did not take it', async () => {
  const taken = { body: { offsets: [{ partition: 0, offset: 1 }] } };
  for (const safe of [refused, { status: 429 }]) {
    const { client, sent } = scripted(safe, taken);
    await client.produce('orders', [{ value: 1 }]);
    assert.equal(sent.length, 2);
  }
  for (const unsure of [broken, { status: 503 }, { status: 500 }]) {
    const { client, sent } = scripted(unsure);
    await assert.rejects(client.produce('orders', [{ value: 1 }]), KafkaRestError);
    assert.equal(sent.length, 1);
  }
});

test('a 401 is answered by one new token and one repetition', async () => {
  const { client, sent } = scripted({ status: 401 }, { body: { topics: ['a'] } });
  assert.deepEqual(await client.listTopics(), ['a']);
  assert.deepEqual(
    sent.map((request) => request.headers.authorization),
    ['Bearer token-1', 'Bearer token-2'],
  );
});

test('errors carry code, status and what the proxy said, and never the token that it repeats', async () => {
  const cases: [number, string][] = [
    [400, 'kafka-rest.refused'],
    [403, 'kafka-rest.forbidden'],
    [404, 'kafka-rest.not-found'],
  ];
  for (const [status, code] of cases) {
    const message = 'because of Bearer token-1';
    const { client } = scripted({ status, body: { error_code: status * 100, message } });
    const error = await client.listTopics().then(
      () => undefined,
      (caught: unknown) => caught,
    );
    assert.ok(error instanceof KafkaRestError);
    assert.equal(error.code, code);
    assert.equal(error.proxyCode, status * 100);
    assert.match(error.message, /because of Bearer \[secret\]/);
    assert.doesNotMatch(JSON.stringify(error) + error.stack, /token-1/);
  }
  const { client } = scripted({ status: 401 }, { status: 401 });
  await assert.rejects(client.listTopics(), { code: 'kafka-rest.unauthorized' });
});

test('an answer outside the contract is an error, not a crash', async () => {
  for (const body of ['<html>', '[]', '{"topics":[1]}', 'null']) {
    const { client } = scripted({ body });
    await assert.rejects(client.listTopics(), { code: 'kafka-rest.unreadable' });
  }
});

test('waiting for a topic polls until it is listed, and not for ever', async () => {
  const listing = scripted(
    { body: { topics: [] } },
    { body: { topics: ['b'] } },
    { body: { topics: ['a', 'b'] } },
  );
  await listing.client.waitUntilListed('a', { withinMs: 10_000 });
  assert.equal(listing.sent.length, 3);

  const never = scripted(...Array.from({ length: 10 }, () => ({ body: { topics: [] } })));
  await assert.rejects(never.client.waitUntilListed('a', { withinMs: 2_000 }), {
    code: 'kafka-rest.not-listed',
  });
});

test('a call that was given up ends at once, as an error of its own kind', async () => {
  const caller = new AbortController();
  const { client } = scripted({ status: 503 });
  caller.abort();
  await assert.rejects(client.listTopics({ signal: caller.signal }), {
    name: 'KafkaRestError',
    code: 'kafka-rest.unreachable',
    retryable: false,
  });
});

test('a token that does not come is waited for no longer than an answer', async () => {
  const clock = createManualClock(0);
  const never = () => new Promise<string>(() => undefined);
  const client = createKafkaRest({
    url: 'https://proxy.example',
    tokens: { current: never, replace: never },
    send: () => assert.fail('nothing is sent without a token'),
    clock,
    random: () => 1,
    timeoutMs,
    retry: { attemptsMax: 1, baseMs: 1, capMs: 1, retryAfterMsMax: 1 },
  });
  const outcome = assert.rejects(client.listTopics(), {
    code: 'kafka-rest.unreachable',
    message: /no token within 1000 ms/,
  });
  await clock.advance(timeoutMs);
  await outcome;
});
