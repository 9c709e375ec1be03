import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { Agent, request } from 'undici';
import { systemClock } from '../src/shared/clock.ts';
import { createManualClock } from '../test/support/manual-clock.ts';
import { ensureCertificate } from './certificate.ts';
import { type RunningWebhookSink, startWebhookSink, type WebhookSinkOptions } from './webhook-sink.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const newerSecret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';

async function startSink(t: TestContext, options: Partial<WebhookSinkOptions> = {}) {
  const sink = await startWebhookSink({ port: 0, ...options });
  t.after(() => sink.close());
  return sink;
}

function post(sink: RunningWebhookSink, path: string, headers: Record<string, string> = {}, body = '{}') {
  return fetch(sink.url + path, { method: 'POST', headers, body });
}

function signed(withSecret: string, atMs: number, body: string, id = 'msg_1') {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(atMs / 1000)),
    'webhook-signature': new Webhook(withSecret).sign(id, new Date(atMs), body),
  };
}

async function statuses(sink: RunningWebhookSink, path: string, count: number): Promise<number[]> {
  const seen: number[] = [];
  for (let call = 0; call < count; call += 1) seen.push((await post(sink, path)).status);
  return seen;
}

test('a request is answered 200 and remembered as it came', async (t) => {
  const clock = createManualClock(1_000);
  const sink = await startSink(t, { clock });

  const answer = await post(sink, '/orders?x=1', { 'webhook-id': 'msg_1', 'x-trace': 'abc' }, '{"n":1}');

  assert.equal(answer.status, 200);
  const [delivery] = sink.deliveries('/orders');
  assert.ok(delivery);
  const { headers, ...rest } = delivery;
  assert.equal(headers['x-trace'], 'abc');
  assert.deepEqual(rest, {
    path: '/orders',
    method: 'POST',
    webhookId: 'msg_1',
    body: '{"n":1}',
    status: 200,
    receivedAtMs: 1_000,
    signature: 'unchecked',
  });
  assert.deepEqual(sink.deliveries('/elsewhere'), []);
});

test('with a certificate it speaks HTTPS', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-sink-'));
  t.after(() => rm(dir, { recursive: true }));
  const certificate = await ensureCertificate({ dir, clock: systemClock });
  const sink = await startSink(t, { tls: certificate });
  const trusting = new Agent({ connect: { ca: certificate.cert } });
  t.after(() => trusting.close());

  const answer = await request(`${sink.url}/x`, { dispatcher: trusting, method: 'POST', body: 'hello' });

  await answer.body.dump();
  assert.match(sink.url, /^https:/);
  assert.equal(sink.deliveries()[0]?.body, 'hello');
});

test('a signature is accepted when it was made with any of the secrets of the path', async (t) => {
  const clock = createManualClock();
  const sink = await startSink(t, { clock, secrets: { '/x': [secret, newerSecret] } });

  for (const used of [secret, newerSecret]) {
    assert.equal((await post(sink, '/x', signed(used, clock.now(), '{}'))).status, 200);
  }
  const both = signed(secret, clock.now(), '{}');
  both['webhook-signature'] = `v1,AAAA ${both['webhook-signature']}`;
  assert.equal((await post(sink, '/x', both)).status, 200);
  assert.deepEqual(new Set(sink.deliveries().map(({ signature }) => signature)), new Set(['valid']));
});

test('the signature published with the Standard Webhooks specification is valid', async (t) => {
  const clock = createManualClock(1_614_265_330_000);
  const sink = await startSink(t, { clock, secrets: { '*': [secret] } });
  const headers = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  };
  assert.equal((await post(sink, '/any', headers, '{"test": 2432232314}')).status, 200);
});

test('a wrong, outdated or missing signature is answered 401 and does not use up a planned answer', async (t) => {
  const clock = createManualClock();
  const sink = await startSink(t, { clock, secrets: { '/x': [secret] } });
  sink.behave('/x', { status: 503, times: 1 });
  const good = signed(secret, clock.now(), '{}');

  const refused = [
    await post(sink, '/x', signed(newerSecret, clock.now(), '{}')),
    await post(sink, '/x', good, '{"changed":true}'),
    await post(sink, '/x', signed(secret, clock.now() - 301_000, '{}')),
    await post(sink, '/x', { ...good, 'webhook-timestamp': 'soon' }),
    await post(sink, '/x'),
  ];

  assert.deepEqual(
    refused.map(({ status }) => status),
    [401, 401, 401, 401, 401],
  );
  assert.deepEqual(
    sink.deliveries().map(({ signature }) => signature),
    ['invalid', 'invalid', 'invalid', 'invalid', 'absent'],
  );
  assert.equal((await post(sink, '/x', good)).status, 503);
});

test('a path answers as it was told, as often as it was told, and then 200 again', async (t) => {
  const sink = await startSink(t);
  sink.behave('/busy', { status: 429, retryAfterSeconds: 7, body: 'slow down', times: 2 });

  const first = await post(sink, '/busy');
  assert.equal(first.status, 429);
  assert.equal(first.headers.get('retry-after'), '7');
  assert.equal(await first.text(), 'slow down');
  assert.deepEqual(await statuses(sink, '/busy', 2), [429, 200]);
  assert.deepEqual(await statuses(sink, '/other', 1), [200]);
});

test('a script answers one status a request and then the usual one', async (t) => {
  const sink = await startSink(t);
  sink.behave('/x', { script: [500, 204, 410], status: 202 });
  assert.deepEqual(await statuses(sink, '/x', 5), [500, 204, 410, 202, 202]);
});

test('a dropped request ends without an answer', async (t) => {
  const sink = await startSink(t);
  sink.behave('/x', { script: ['drop'] });
  await assert.rejects(post(sink, '/x'));
  assert.equal(sink.deliveries('/x')[0]?.status, null);
  assert.equal((await post(sink, '/x')).status, 200);
});

test('a stalled request is remembered, gets no answer and does not keep the sink from closing', async (t) => {
  const sink = await startSink(t);
  sink.behave('/x', { script: ['stall'] });
  const stalled = assert.rejects(post(sink, '/x'));
  const [delivery] = await sink.waitFor(1, { timeoutMs: 5_000 });
  assert.equal(delivery?.status, null);
  await sink.close();
  await stalled;
});

test('latency holds the answer back by the clock, and a sender that leaves meanwhile gets none', async (t) => {
  const reached: (() => void)[] = [];
  const clock = createManualClock();
  const sleep: typeof clock.sleep = (delayMs, signal) => {
    const sleeping = clock.sleep(delayMs, signal);
    reached.shift()?.();
    return sleeping;
  };
  const held = () => new Promise<void>((resolve) => reached.push(resolve));
  const sink = await startSink(t, { clock: { now: clock.now, sleep } });
  sink.behave('/slow', { latencyMs: 20_000 });

  let isHeld = held();
  const answer = post(sink, '/slow');
  await isHeld;
  await clock.advance(19_999);
  assert.equal(sink.deliveries().length, 0);
  await clock.advance(1);
  assert.equal((await answer).status, 200);

  isHeld = held();
  const leaving = new AbortController();
  const left = assert.rejects(fetch(`${sink.url}/slow`, { signal: leaving.signal }));
  await isHeld;
  leaving.abort();
  await left;
  const [, second] = await sink.waitFor(2, { timeoutMs: 5_000 });
  assert.equal(second?.status, null);
});

test('a message answered 2xx before counts as a duplicate, a retried failure does not', async (t) => {
  const sink = await startSink(t);
  sink.behave('/x', { script: [500] });
  const send = (path: string, id: string) => post(sink, path, { 'webhook-id': id });
  await send('/x', 'msg_1');
  await send('/x', 'msg_1');
  await send('/x', 'msg_2');
  await send('/y', 'msg_1');
  assert.equal(sink.duplicates(), 0);

  await send('/x', 'msg_1');
  await send('/x', 'msg_1');
  await send('/y', 'msg_1');
  assert.equal(sink.duplicates('/x'), 2);
  assert.equal(sink.duplicates('/y'), 1);
  assert.equal(sink.duplicates(), 3);

  sink.clear();
  await send('/x', 'msg_1');
  assert.equal(sink.duplicates(), 0);
  assert.equal(sink.deliveries().length, 1);
});

test('waiting ends with the delivery that satisfies it, or says how many came', async (t) => {
  const sink = await startSink(t);
  const three = sink.waitFor(3, { timeoutMs: 5_000, path: '/x' });
  const last = sink.waitFor((all) => all.some(({ body }) => body === 'last'), { timeoutMs: 5_000 });
  for (const body of ['a', 'b', 'last']) await post(sink, '/x', {}, body);

  assert.equal((await three).length, 3);
  assert.equal((await last).at(-1)?.body, 'last');
  await assert.rejects(sink.waitFor(4, { timeoutMs: 1, path: '/x' }), {
    code: 'local.webhook-sink',
    message: '4 deliveries did not arrive within 1 ms; 3 came to /x',
  });
  const broken = () => {
    throw new Error('a bad condition');
  };
  await assert.rejects(sink.waitFor(broken, { timeoutMs: 5_000 }), /a bad condition/);
});

test('a listener hears of each delivery until it leaves', async (t) => {
  const sink = await startSink(t);
  const heard: string[] = [];
  const leave = sink.onDelivery(({ path }) => heard.push(path));
  await post(sink, '/a');
  leave();
  await post(sink, '/b');
  assert.deepEqual(heard, ['/a']);
});

test('it is told how to behave, read and cleared over HTTP', async (t) => {
  const sink = await startSink(t);
  const tell = (query: string, body: string) =>
    fetch(`${sink.url}/control/behaviour${query}`, { method: 'PUT', body });

  assert.equal((await tell('?path=/x', '{"status":503,"times":1}')).status, 204);
  assert.deepEqual(await statuses(sink, '/x', 2), [503, 200]);
  const read = await fetch(`${sink.url}/control/deliveries?path=/x`);
  const found = (await read.json()) as { deliveries: { status: number }[]; duplicates: number };
  assert.deepEqual(
    found.deliveries.map(({ status }) => status),
    [503, 200],
  );
  assert.equal(found.duplicates, 0);

  assert.equal((await fetch(`${sink.url}/control/deliveries`, { method: 'DELETE' })).status, 204);
  assert.deepEqual(sink.deliveries(), []);
});

test('a wrong order is refused with what would be right', async (t) => {
  const sink = await startSink(t);
  const cases: [string, string, string, number, RegExp][] = [
    ['PUT', '/control/behaviour', '{}', 400, /\/control\/behaviour\?path=\/x/],
    ['PUT', '/control/behaviour?path=/x', '{"status":99}', 400, /status/],
    ['PUT', '/control/behaviour?path=/x', '{"sttaus":500}', 400, /sttaus/],
    ['PUT', '/control/behaviour?path=/x', 'status=500', 400, /expected object/],
    ['POST', '/control/deliveries', '', 404, /DELETE \/control\/deliveries/],
  ];
  for (const [method, path, body, status, message] of cases) {
    const answer = await fetch(sink.url + path, { method, body });
    assert.equal(answer.status, status, path);
    assert.match(await answer.text(), message);
  }
  assert.deepEqual(sink.deliveries(), []);
});

test('a body over the limit is answered 413 and not kept', async (t) => {
  const sink = await startSink(t);
  const answer = await post(sink, '/x', {}, 'x'.repeat(16_777_217));
  assert.equal(answer.status, 413);
  assert.deepEqual(sink.deliveries(), []);
});
