import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HTTP } from 'cloudevents';
import { Webhook } from 'standardwebhooks';
import type { TopicRecord } from '../events/record.ts';
import { webhookIdOf } from '../events/record.ts';
import { HttpError, type HttpRequest } from '../shared/http.ts';
import { Secret } from '../shared/secret.ts';
import { attemptDelivery } from './attempt.ts';
import { structuredBody } from './body.ts';
import { webhookHeaders } from './sign.ts';
import { verdictOf } from './verdict.ts';

const oldSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const newSecret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';

const record: TopicRecord = {
  topic: 'orders.v1',
  partition: 2,
  offset: 9007199254740993n,
  key: 'k',
  value: `{ "specversion":"1.0","id":"e1","source":"/shop","type":"order.created","data":{"total":9007199254740993}}`,
  timestampMs: 1_795_000_000_000n,
};

async function attempt(answer: { status: number; headers?: Record<string, string> } | HttpError) {
  const sent: HttpRequest[] = [];
  const outcome = await attemptDelivery(
    {
      clock: { now: () => Date.now(), sleep: async () => undefined },
      send: async (request) => {
        sent.push(request);
        if (answer instanceof HttpError) throw answer;
        return { headers: {}, body: '', ...answer };
      },
    },
    {
      url: 'https://receiver.example/hook',
      signingSecrets: [new Secret(newSecret), new Secret(oldSecret)],
      timeoutMs: 1000,
    },
    record,
  );
  const request = sent[0];
  assert.ok(request?.body);
  return { outcome, request, body: request.body };
}

test('the published vector of Standard Webhooks is signed as published', () => {
  const headers = webhookHeaders(
    { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestampSeconds: 1614265330, body: '{"test": 2432232314}' },
    [oldSecret],
  );
  assert.equal(headers['webhook-signature'], 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});

test('a receiver verifies a delivery with the old secret and with the new one', async () => {
  const { request, body } = await attempt({ status: 204 });
  for (const secret of [oldSecret, newSecret]) {
    assert.ok(new Webhook(secret).verify(body, { ...request.headers }));
  }
  assert.throws(() =>
    new Webhook('whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA').verify(body, { ...request.headers }),
  );
});

test('a CloudEvent travels as it stands in the record, and its receiver reads it', async () => {
  const { request, body } = await attempt({ status: 200 });
  assert.equal(body, record.value);
  const read = HTTP.toEvent({ headers: { ...request.headers }, body });
  assert.ok(!Array.isArray(read));
  assert.equal(read.id, 'e1');
});

test('the webhook-id has no dot, and no two records share one', () => {
  assert.equal(webhookIdOf(record), 'orders~v1_2_9007199254740993');
  const records = [
    { topic: 'a', partition: 1, offset: 23n },
    { topic: 'a', partition: 12, offset: 3n },
    { topic: 'a_1', partition: 2, offset: 3n },
    { topic: 'a.1', partition: 2, offset: 3n },
    { topic: 'a-1', partition: 2, offset: 3n },
  ];
  assert.equal(new Set(records.map(webhookIdOf)).size, records.length);
});

test('a record that is no CloudEvent is delivered as the data of one, nothing in it changed', () => {
  const bodyOf = (value: string | null, key: string | null = null) =>
    structuredBody({ ...record, value, key });
  assert.match(bodyOf('[9007199254740993, {"a": 3.14}]'), /"data":\[9007199254740993, \{"a": 3\.14\}\]/);
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  assert.ok(bodyOf(deep).length > deep.length, 'however deep it is nested');
  assert.match(bodyOf('not { json'), /"data":"not \{ json"/);
  assert.match(bodyOf(null), /"data":null/);
  assert.match(bodyOf('{"specversion":"9.9"}'), /"type":"kafka\.record".*"data":\{"specversion":"9\.9"\}/);
  assert.equal(JSON.parse(bodyOf('1', 'customer-7')).partitionkey, 'customer-7');
  assert.equal(JSON.parse(bodyOf('1', 'a\u0000')).partitionkey, undefined);
});

test('only a 2xx is done: redirects, refusals, faults and silence are tried again', async () => {
  const options = { failures: 1, delaysMs: [1000, 8000], nowMs: 50_000, random: () => 1 };
  for (const status of [200, 202, 204]) {
    assert.equal(verdictOf((await attempt({ status })).outcome, options).kind, 'done');
  }
  for (const status of [302, 304, 400, 410, 429, 500, 503]) {
    const verdict = verdictOf((await attempt({ status })).outcome, options);
    assert.deepEqual(verdict, { kind: 'retry', atMs: 51_000, error: `answered ${status}` });
  }
  const silent = await attempt(new HttpError({ failure: 'timeout', message: 'no answer within 1000 ms' }));
  assert.deepEqual(verdictOf(silent.outcome, options), {
    kind: 'retry',
    atMs: 51_000,
    error: 'no answer within 1000 ms',
  });
});

test('waits grow by the schedule, its last repeats, and Retry-After can only lengthen them', () => {
  const failed = { kind: 'answered', status: 503, retryAfter: undefined, latencyMs: 1 } as const;
  const waitAfter = (failures: number, retryAfter?: string) => {
    const options = { failures, delaysMs: [1000, 8000], nowMs: 0, random: () => 1 };
    const verdict = verdictOf({ ...failed, retryAfter }, options);
    assert.equal(verdict.kind, 'retry');
    return verdict.kind === 'retry' ? verdict.atMs : 0;
  };
  assert.deepEqual([waitAfter(1), waitAfter(2), waitAfter(3)], [1000, 8000, 8000]);
  assert.equal(waitAfter(1, '5'), 5000);
  assert.equal(waitAfter(2, '5'), 8000);
  assert.equal(waitAfter(1, '99999999'), 24 * 3_600_000);
});

test('records that failed together do not come back together', () => {
  const failed = { kind: 'answered', status: 503, retryAfter: undefined, latencyMs: 1 } as const;
  const waits = [0, 0.5, 1].map((chance) => {
    const verdict = verdictOf(failed, { failures: 1, delaysMs: [1000], nowMs: 0, random: () => chance });
    return verdict.kind === 'retry' ? verdict.atMs : undefined;
  });
  assert.deepEqual(waits, [500, 750, 1000]);
});
