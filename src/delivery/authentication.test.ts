import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';
import { generate } from 'selfsigned';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { type AnswerRequest, openDelivery, startReceiver } from '../../test/support/receiver.ts';
import type { Clock } from '../shared/clock.ts';
import { Secret } from '../shared/secret.ts';
import type { EndpointAuth } from './authentication.ts';

const server = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
  keyType: 'ec',
  extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
});
const serverTls = { key: server.private, cert: server.cert };
// This file's process trusts it; others do not.
setDefaultCACertificates([...getCACertificates('default'), server.cert]);

/** An authorization server over TLS, whose answers are chosen by how many tokens were asked for before. */
async function startIssuer(t: Parameters<typeof startReceiver>[0], answer: (index: number) => object) {
  const issuer = await startReceiver(
    t,
    (_request, response, index) => {
      const { status = 200, ...body } = answer(index) as { status?: number };
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    },
    serverTls,
  );
  return issuer;
}

const token = (index: number) => ({ access_token: `t-${index}`, token_type: 'Bearer', expires_in: 3_600 });

function oauth2(tokenUrl: string, changes: object = {}): EndpointAuth {
  return {
    kind: 'oauth2',
    tokenUrl,
    clientId: 'bridge:1',
    clientSecret: new Secret('s&cret ü'),
    clientAuth: 'basic',
    ...changes,
  };
}

for (const [auth, name, value] of [
  [{ kind: 'apiKey', header: 'X-Api-Key', value: new Secret('k-1') }, 'x-api-key', 'k-1'],
  [{ kind: 'basic', user: 'u', password: new Secret('pä:s') }, 'authorization', 'Basic dTpww6Q6cw=='],
  [{ kind: 'bearer', token: new Secret('b-1') }, 'authorization', 'Bearer b-1'],
  [{ kind: 'none' }, 'authorization', undefined],
] as const) {
  test(`${auth.kind}: every delivery carries its proof`, async (t) => {
    const receiver = await startReceiver(t);
    const { send } = await openDelivery(t, receiver.url, { endpoint: { auth } });
    await send();
    assert.equal(receiver.seen[0]?.headers[name], value);
  });
}

/** Answers with the headers it was sent, as a receiver does whose error pages help to find errors. */
const echo: AnswerRequest = ({ headers }, response) => response.writeHead(422).end(JSON.stringify(headers));

for (const auth of [
  { kind: 'apiKey', header: 'x-api-key', value: new Secret('top-secret') },
  { kind: 'basic', user: 'user', password: new Secret('top-secret') },
  { kind: 'bearer', token: new Secret('top-secret') },
] as const) {
  test(`${auth.kind}: the proof is not remembered with an answer that repeats it`, async (t) => {
    const receiver = await startReceiver(t, echo);
    const headers = { 'x-password': 'another-secret', 'x-tenant': 'acme' };
    const { send } = await openDelivery(t, receiver.url, { endpoint: { auth, headers } });
    const { attempt } = await send();
    assert.doesNotMatch(attempt.answer, /-secret|dXNlcjp0b3Atc2VjcmV0/);
    assert.match(attempt.answer, /"x-password":"\[secret\]","x-tenant":"acme"/);
  });
}

test('OAuth 2: the token is not remembered with an answer that repeats it, be it renewed or not', async (t) => {
  const issuer = await startIssuer(t, () => ({ access_token: 'token-of-an-hour', expires_in: 3_600 }));
  const auth = oauth2(issuer.url);
  for (const status of [500, 401]) {
    const receiver = await startReceiver(t, ({ headers }, response) =>
      response.writeHead(status).end(`no: ${headers.authorization}`),
    );
    const { send } = await openDelivery(t, receiver.url, { endpoint: { auth } });
    assert.equal((await send()).attempt.answer, 'no: Bearer [secret]');
  }
});

test('OAuth 2: deliveries share one token, asked for by client credentials', async (t) => {
  const issuer = await startIssuer(t, token);
  const receiver = await startReceiver(t);
  const auth = oauth2(issuer.url, { scope: 'hooks write', audience: 'https://receiver' });
  const { send } = await openDelivery(t, receiver.url, { endpoint: { auth } });
  await Promise.all([send(), send(), send()]);
  await send();
  assert.equal(issuer.seen.length, 1);
  const [asked] = issuer.seen;
  assert.equal(asked?.headers['content-type'], 'application/x-www-form-urlencoded');
  assert.deepEqual(
    [...new URLSearchParams(asked?.body)],
    [
      ['grant_type', 'client_credentials'],
      ['scope', 'hooks write'],
      ['audience', 'https://receiver'],
    ],
  );
  // RFC 6749, section 2.3.1: both are form-encoded before they are joined.
  const pair = Buffer.from(asked?.headers.authorization?.slice('Basic '.length) ?? '', 'base64').toString();
  assert.equal(pair, 'bridge%3A1:s%26cret+%C3%BC');
  assert.deepEqual(
    receiver.seen.map(({ headers }) => headers.authorization),
    Array.from({ length: 4 }, () => 'Bearer t-0'),
  );
});

test('OAuth 2: id and secret stand in the body where the server wants them there', async (t) => {
  const issuer = await startIssuer(t, token);
  const receiver = await startReceiver(t);
  const { send } = await openDelivery(t, receiver.url, {
    endpoint: { auth: oauth2(issuer.url, { clientAuth: 'post' }) },
  });
  await send();
  const form = new URLSearchParams(issuer.seen[0]?.body);
  assert.deepEqual([form.get('client_id'), form.get('client_secret')], ['bridge:1', 's&cret ü']);
  assert.equal(issuer.seen[0]?.headers.authorization, undefined);
});

test('OAuth 2: a token that is answered 401 is renewed and the delivery sent again, once', async (t) => {
  const issuer = await startIssuer(t, token);
  const refuse = new Set(['Bearer t-0']);
  const answer: AnswerRequest = ({ headers }, response) =>
    response.writeHead(refuse.has(headers.authorization ?? '') ? 401 : 204).end();
  const receiver = await startReceiver(t, answer);
  const { send } = await openDelivery(t, receiver.url, { endpoint: { auth: oauth2(issuer.url) } });
  assert.equal((await send()).verdict.kind, 'done');
  assert.deepEqual([issuer.seen.length, receiver.seen.length], [2, 2]);

  refuse.add('Bearer t-1').add('Bearer t-2');
  const { attempt, verdict } = await send();
  assert.deepEqual([attempt.status, verdict.kind], [401, 'retry']);
  assert.deepEqual([issuer.seen.length, receiver.seen.length], [3, 4]);
});

test('OAuth 2: a token that is answered 401 when consent is asked for is renewed, and asks once more', async (t) => {
  const issuer = await startIssuer(t, token);
  const receiver = await startReceiver(t, ({ headers }, response) => {
    if (headers.authorization === 'Bearer t-0') response.writeHead(401).end();
    else response.writeHead(200, { 'webhook-allowed-origin': '*' }).end();
  });
  const { send } = await openDelivery(t, receiver.url, {
    endpoint: { auth: oauth2(issuer.url), handshake: { origin: 'bridge.example' } },
  });
  assert.equal((await send()).verdict.kind, 'done');
  assert.deepEqual(
    receiver.seen.map(({ method, headers }) => `${method} ${headers.authorization}`),
    ['OPTIONS Bearer t-0', 'OPTIONS Bearer t-1', 'POST Bearer t-1'],
  );
});

test('OAuth 2: an attempt whose token comes after its time, as after a freeze, sends nothing', async (t) => {
  let nowMs = 0;
  const issuer = await startIssuer(t, (index) => {
    nowMs = 6_000;
    return token(index);
  });
  const receiver = await startReceiver(t);
  const clock: Clock = {
    now: () => nowMs,
    // No timer has rung yet when the answer is there.
    sleep: (_delayMs, signal) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
  };
  const { send } = await openDelivery(t, receiver.url, { clock, endpoint: { auth: oauth2(issuer.url) } });
  const { attempt, verdict } = await send();
  assert.deepEqual(
    [attempt.status, attempt.answer, verdict.kind],
    [null, 'no token or consent within 5000 ms', 'retry'],
  );
  assert.deepEqual(receiver.seen, []);
});

test('OAuth 2: a token is renewed before it ends', async (t) => {
  const issuer = await startIssuer(t, token);
  const receiver = await startReceiver(t);
  const clock = createManualClock(0);
  const { send } = await openDelivery(t, receiver.url, { clock, endpoint: { auth: oauth2(issuer.url) } });
  await send();
  await clock.advance(3_600_000 - 10_000);
  await send();
  assert.equal(receiver.seen.at(-1)?.headers.authorization, 'Bearer t-1');
});

test('OAuth 2: without a token nothing is delivered, and why is said without the secret', async (t) => {
  const answers: object[] = [
    { status: 401, error: 'invalid_client', error_description: 'secret s&cret is wrong' },
    { status: 500 },
    { token_type: 'Bearer' },
    { access_token: 'a\nb' },
    { access_token: 'good', expires_in: 0 },
  ];
  const issuer = await startIssuer(t, (index) => answers[index] ?? {});
  const receiver = await startReceiver(t);
  const { send } = await openDelivery(t, receiver.url, { endpoint: { auth: oauth2(issuer.url) } });
  const host = `127.0.0.1:${issuer.port}`;
  for (const expected of [
    `${host} answered 401 (invalid_client)`,
    `${host} answered 500`,
    ...Array.from({ length: 3 }, () => `${host} answered without a token`),
  ]) {
    const { attempt, verdict } = await send();
    assert.equal(attempt.answer, expected);
    assert.ok(verdict.kind === 'retry' && verdict.endpoint === 'failing');
  }
  assert.deepEqual(receiver.seen, []);
});

test('OAuth 2: the token URL is guarded like the endpoint', async (t) => {
  const issuer = await startIssuer(t, token);
  const { send } = await openDelivery(t, 'https://receiver.example/', {
    endpoint: { auth: oauth2(issuer.url), allowPrivate: [] },
  });
  assert.match((await send()).attempt.answer, /nothing is sent to 127\.0\.0\.1.* not a public address/);
  assert.deepEqual(issuer.seen, []);
});

test('OAuth 2: an authorization server that is silent does not outlast the attempt', async (t) => {
  const arrived = Promise.withResolvers<void>();
  const issuer = await startReceiver(t, () => arrived.resolve(), serverTls);
  const clock = createManualClock(0);
  const { send } = await openDelivery(t, 'https://receiver.example/', {
    clock,
    endpoint: { auth: oauth2(issuer.url) },
  });
  const sent = send();
  await arrived.promise;
  await clock.advance(5_000);
  const { attempt } = await sent;
  assert.deepEqual([attempt.status, attempt.latencyMs], [null, 5_000]);
});

test("managed identity: deliveries carry a token of the app's own identity", async (t) => {
  const receiver = await startReceiver(t);
  const { send } = await openDelivery(t, receiver.url, {
    endpoint: { auth: { kind: 'managedIdentity', scope: 'api://receiver/.default' } },
    acquireIdentity: async () => ({ value: 'of-azure', expiresAtMs: Number.MAX_SAFE_INTEGER }),
  });
  await send();
  assert.equal(receiver.seen[0]?.headers.authorization, 'Bearer of-azure');
});

test('mTLS: the bridge shows its certificate, and believes only the authority it was given', async (t) => {
  const client = await generate([{ name: 'commonName', value: 'bridge' }], { keyType: 'ec' });
  let shown: string | undefined;
  const receiver = await startReceiver(
    t,
    (_request, response) => {
      shown = (response.socket as TLSSocket).getPeerCertificate().subject.CN as string;
      response.end();
    },
    { ...serverTls, ca: client.cert, requestCert: true, rejectUnauthorized: true },
  );
  const certificate = new Secret(`${client.cert}\n${client.private}`);
  const auth = { kind: 'mtls', certificate, ca: new Secret(server.cert) } as const;
  const { send } = await openDelivery(t, receiver.url, { endpoint: { auth } });
  assert.equal((await send()).verdict.kind, 'done');
  assert.equal(shown, 'bridge');

  const strangers = await openDelivery(t, receiver.url, {
    endpoint: { auth: { ...auth, ca: new Secret(client.cert) } },
  });
  assert.match((await strangers.send()).attempt.answer, /cannot connect|broke/);
  const without = await openDelivery(t, receiver.url);
  assert.equal((await without.send()).verdict.kind, 'retry', 'without a certificate there is no way in');
  assert.equal(receiver.seen.length, 1);
});
