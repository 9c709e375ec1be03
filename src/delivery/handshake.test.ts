import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { type AnswerRequest, openDelivery, startReceiver } from '../../test/support/receiver.ts';
import { Secret } from '../shared/secret.ts';

const origin = 'bridge.example.com';

/** Answers OPTIONS with these headers, and takes every delivery. */
function consenting(headers: Record<string, string>, status = 200): AnswerRequest {
  return (request, response) =>
    request.method === 'OPTIONS' ? response.writeHead(status, headers).end() : response.end();
}

test('consent is asked for once, before the first delivery, and every delivery names the origin', async (t) => {
  const receiver = await startReceiver(t, consenting({ 'webhook-allowed-origin': origin }));
  const { send } = await openDelivery(t, receiver.url, {
    endpoint: {
      handshake: { origin, ratePerMinute: 120 },
      auth: { kind: 'bearer', token: new Secret('t-1') },
    },
  });
  await Promise.all([send(), send(), send()]);
  assert.deepEqual(
    receiver.seen.map(({ method }) => method),
    ['OPTIONS', 'POST', 'POST', 'POST'],
  );
  const [asked, ...deliveries] = receiver.seen;
  assert.equal(asked?.headers['webhook-request-rate'], '120');
  assert.equal(asked?.headers.authorization, 'Bearer t-1');
  assert.equal(asked?.path, '/hook');
  for (const { headers } of receiver.seen) assert.equal(headers['webhook-request-origin'], origin);
  assert.equal(deliveries.length, 3);
});

test('consent to all origins is consent, and the status of the answer says nothing', async (t) => {
  const receiver = await startReceiver(t, consenting({ 'webhook-allowed-origin': '*' }, 405));
  const { send, delivery } = await openDelivery(t, receiver.url, { endpoint: { handshake: { origin } } });
  assert.equal(delivery.allowedPerSecond?.(), 'unknown');
  assert.equal((await send()).verdict.kind, 'done');
  assert.equal(receiver.seen[0]?.headers['webhook-request-rate'], undefined);
  assert.equal(delivery.allowedPerSecond?.(), undefined, 'no limit is named');
});

test('the rate that the receiver allows is known after the handshake', async (t) => {
  const allowed = { 'webhook-allowed-origin': origin, 'webhook-allowed-rate': '90' };
  const receiver = await startReceiver(t, consenting(allowed));
  const { send, delivery } = await openDelivery(t, receiver.url, { endpoint: { handshake: { origin } } });
  await send();
  assert.equal(delivery.allowedPerSecond?.(), 1.5);
});

test('without consent nothing is delivered, and the next attempt asks again', async (t) => {
  const answers: Record<string, string>[] = [
    {},
    { 'webhook-allowed-origin': 'other.example' },
    { 'webhook-allowed-origin': 'BRIDGE.example.com' },
  ];
  const receiver = await startReceiver(t, (request, response, index) =>
    consenting(answers[index] ?? {})(request, response, index),
  );
  const { send } = await openDelivery(t, receiver.url, { endpoint: { handshake: { origin } } });
  const first = await send();
  assert.match(
    first.attempt.answer,
    /does not allow deliveries from bridge\.example\.com.*\(200\) has no WebHook/,
  );
  assert.ok(first.verdict.kind === 'retry' && first.verdict.endpoint === 'failing');
  assert.match((await send()).attempt.answer, /allows another origin/);
  assert.equal((await send()).verdict.kind, 'done', 'names are compared without regard to case');
  assert.equal(receiver.seen.filter(({ method }) => method === 'POST').length, 1);
});

test('a handshake that is not answered ends with the time of the attempt', async (t) => {
  const arrived = Promise.withResolvers<void>();
  const receiver = await startReceiver(t, () => arrived.resolve());
  const clock = createManualClock(0);
  const { send } = await openDelivery(t, receiver.url, { clock, endpoint: { handshake: { origin } } });
  const sent = send();
  await arrived.promise;
  await clock.advance(5_000);
  const { attempt, verdict } = await sent;
  assert.deepEqual([attempt.status, attempt.latencyMs, verdict.kind], [null, 5_000, 'retry']);
});
