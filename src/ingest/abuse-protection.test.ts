import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAddressGuard } from '../shared/address-guard.ts';
import { HttpError, type HttpRequest, type HttpSend } from '../shared/http.ts';
import type { Log, LogFields } from '../shared/log.ts';
import {
  type AbuseProtectionConfig,
  answerHandshake,
  confirmHandshake,
  type Handshake,
} from './abuse-protection.ts';

const guard = createAddressGuard();
const callback = 'https://rp-westeurope.eventgrid.example/confirm?id=1&key=s3cret';

function answer(config: AbuseProtectionConfig, handshake: Partial<Handshake>) {
  const request = { origin: undefined, callback: undefined, rate: undefined, ...handshake };
  return answerHandshake({ config, guard }, request);
}

/** True when a sender would read consent from the headers. */
function consents(headers: Readonly<Record<string, string>>): boolean {
  return Object.keys(headers).some((name) => name.startsWith('webhook-allowed-'));
}

test('an allowed origin gets consent for itself, at the configured rate', () => {
  const config = { allowedOrigins: ['eventgrid.azure.net', 'emitter.example.com'], ratePerMinute: 600 };
  assert.deepEqual(answer(config, { origin: 'Emitter.example.com', rate: '120' }), {
    answer: {
      status: 200,
      headers: {
        allow: 'POST',
        'webhook-allowed-origin': 'Emitter.example.com',
        'webhook-allowed-rate': '600',
      },
      body: '',
    },
  });
});

test('where all origins may send, and at any rate, the consent says so', () => {
  const { headers } = answer({ allowedOrigins: '*' }, { origin: 'anyone.example', rate: '1' }).answer;
  assert.equal(headers['webhook-allowed-origin'], '*');
  assert.equal(headers['webhook-allowed-rate'], '*');
});

test('whoever is not allowed gets no consent, neither in the answer nor by callback', () => {
  const config = { allowedOrigins: ['emitter.example.com'], callback: true };
  for (const origin of ['example.com', 'emitter.example.com.evil.example', '*', 'emitter.example.com, a']) {
    const { answer: refused, confirmUrl } = answer(config, { origin, callback });
    assert.equal(refused.status, 403);
    assert.match(refused.body, /origin-not-allowed/);
    assert.equal(consents(refused.headers), false);
    assert.equal(confirmUrl, undefined);
    assert.ok(!refused.body.includes('evil'));
  }
  assert.equal(answer({ allowedOrigins: [] }, { origin: 'a' }).answer.status, 403);
});

test('a validation request that cannot be read is told what would be right', () => {
  const config: AbuseProtectionConfig = { allowedOrigins: '*', callback: true };
  const cases: [Partial<Handshake>, RegExp][] = [
    [{}, /WebHook-Request-Origin is required/],
    [{ origin: '' }, /WebHook-Request-Origin is required/],
    [{ origin: 'a', rate: '0' }, /WebHook-Request-Rate must be a positive integer/],
    [{ origin: 'a', rate: '-1' }, /WebHook-Request-Rate/],
    [{ origin: 'a', rate: '1.5' }, /WebHook-Request-Rate/],
    [{ origin: 'a', rate: 'fast' }, /WebHook-Request-Rate/],
    [{ origin: 'a', callback: 'http://example.com/' }, /WebHook-Request-Callback.*only https/],
    [{ origin: 'a', callback: 'https://127.0.0.1/' }, /WebHook-Request-Callback.*not a public address/],
    [{ origin: 'a', callback: 'nonsense' }, /WebHook-Request-Callback.*not an absolute URL/],
  ];
  for (const [handshake, expected] of cases) {
    const { answer: refused, confirmUrl } = answer(config, handshake);
    assert.equal(refused.status, 400);
    assert.match(refused.body, expected);
    assert.equal(consents(refused.headers), false);
    assert.equal(confirmUrl, undefined);
  }
});

test('consent by callback is withheld from the answer', () => {
  const config: AbuseProtectionConfig = { allowedOrigins: '*', callback: true };
  const { answer: withheld, confirmUrl } = answer(config, { origin: 'a', callback });
  assert.deepEqual(withheld, { status: 200, headers: { allow: 'POST' }, body: '' });
  assert.equal(confirmUrl, callback);
  assert.ok(consents(answer(config, { origin: 'a' }).answer.headers), 'without a URL it is in the answer');
});

test('no stranger makes the bridge call an address unless the configuration wants callbacks', () => {
  const { answer: consent, confirmUrl } = answer({ allowedOrigins: '*' }, { origin: 'a', callback });
  assert.equal(confirmUrl, undefined);
  assert.ok(consents(consent.headers));
});

/** Confirms once; what was sent, and the log it left. */
async function confirm(send: HttpSend) {
  const sent: HttpRequest[] = [];
  const lines: [string, LogFields | undefined][] = [];
  const keep = (event: string, fields?: LogFields) => lines.push([event, fields]);
  const report: Log = { info: keep, warn: keep, error: keep };
  await confirmHandshake(
    {
      send: (request) => {
        sent.push(request);
        return send(request);
      },
      report,
      timeoutMs: 5_000,
    },
    { allowedOrigins: '*', ratePerMinute: 60 },
    callback,
  );
  return { sent, lines };
}

test('confirming is one GET with the allowed rate', async () => {
  const { sent, lines } = await confirm(async () => ({ status: 200, headers: {}, body: '' }));
  assert.deepEqual(sent, [
    { method: 'GET', url: callback, headers: { 'webhook-allowed-rate': '60' }, timeoutMs: 5_000 },
  ]);
  assert.deepEqual(lines, [
    ['handshake.confirmed', { host: 'rp-westeurope.eventgrid.example', status: 200 }],
  ]);
});

test('a callback that redirects or fails is reported without the secret in its URL, and nothing throws', async () => {
  const failure = new HttpError({ failure: 'refused-address', message: 'nothing is sent there' });
  for (const send of [
    async () => ({ status: 302, headers: { location: 'http://169.254.169.254/' }, body: '' }),
    async () => Promise.reject(failure),
  ]) {
    const { sent, lines } = await confirm(send);
    assert.equal(sent.length, 1);
    assert.equal(lines[0]?.[0], 'handshake.unconfirmed');
    assert.ok(!JSON.stringify(lines).includes('s3cret'));
  }
});
