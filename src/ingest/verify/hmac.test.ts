import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { Secret } from '../../shared/secret.ts';
import type { WebhookRequest } from './provider.ts';
import { createProvider, type SourceAuth } from './source-auth.ts';

const send = () => Promise.reject(new Error('nothing is fetched here'));
const secrets = (...texts: string[]) => texts.map((text) => new Secret(text));

function requestOf(
  headers: Record<string, string>,
  body: string,
  url = 'https://bridge.example/',
): WebhookRequest {
  return { url, header: (name) => headers[name.toLowerCase()], body: Buffer.from(body) };
}

/** What verifying comes to: `ok`, or what the sender is told. */
async function verdict(
  auth: SourceAuth,
  request: WebhookRequest,
  nowSeconds = 1_700_000_000,
): Promise<string> {
  const verification = await createProvider(auth, send).verify(request, nowSeconds * 1000);
  return verification.ok ? 'ok' : verification.detail;
}

const githubAuth: SourceAuth = { kind: 'github', secrets: secrets("It's a Secret to Everybody") };
const githubSignature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';

test("GitHub's published signature verifies, and nothing that differs in a byte", async () => {
  const signed = (signature: string, body: string) => requestOf({ 'x-hub-signature-256': signature }, body);
  assert.equal(await verdict(githubAuth, signed(githubSignature, 'Hello, World!')), 'ok');
  assert.equal(
    await verdict(githubAuth, signed(githubSignature.toUpperCase(), 'Hello, World!')),
    'the signature does not match',
  );
  for (const [signature, body] of [
    [githubSignature, 'Hello, World'],
    [githubSignature.slice(0, -1), 'Hello, World!'],
    [`${githubSignature}00`, 'Hello, World!'],
    [githubSignature.slice('sha256='.length), 'Hello, World!'],
    [githubSignature.replace('sha256', 'sha1'), 'Hello, World!'],
    ['', 'Hello, World!'],
  ] as const) {
    assert.equal(
      await verdict(githubAuth, signed(signature, body)),
      'the signature does not match',
      signature,
    );
  }
  assert.equal(await verdict(githubAuth, requestOf({}, 'Hello, World!')), 'the signature is missing');
});

test('while a secret is rotated the old and the new one are good, and no other', async () => {
  const both: SourceAuth = { kind: 'github', secrets: secrets('new', "It's a Secret to Everybody") };
  const request = requestOf({ 'x-hub-signature-256': githubSignature }, 'Hello, World!');
  assert.equal(await verdict(both, request), 'ok');
  assert.equal(
    await verdict({ kind: 'github', secrets: secrets('new') }, request),
    'the signature does not match',
  );
});

// docs.slack.dev, "Verifying requests from Slack".
const slackBody =
  'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
const slackSignedAt = 1_531_420_618;

test("Slack's published request verifies within five minutes of its time, before and after", async () => {
  const auth: SourceAuth = {
    kind: 'slack',
    secrets: secrets('8f742231b10e8888abcd99yyyzzz85a5'),
    toleranceSeconds: 300,
  };
  const headers = {
    'x-slack-request-timestamp': String(slackSignedAt),
    'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
  };
  for (const [offset, expected] of [
    [0, 'ok'],
    [300, 'ok'],
    [-300, 'ok'],
    [301, 'the timestamp is outside the window'],
    [-301, 'the timestamp is outside the window'],
  ] as const) {
    assert.equal(
      await verdict(auth, requestOf(headers, slackBody), slackSignedAt + offset),
      expected,
      String(offset),
    );
  }
  const retimed = { ...headers, 'x-slack-request-timestamp': String(slackSignedAt + 1) };
  assert.equal(
    await verdict(auth, requestOf(retimed, slackBody), slackSignedAt),
    'the signature does not match',
  );
  const { 'x-slack-request-timestamp': _, ...untimed } = headers;
  assert.equal(await verdict(auth, requestOf(untimed, slackBody), slackSignedAt), 'the signature is missing');
});

test('a Stripe delivery is good when any of its v1 signatures is, whatever else the header holds', async () => {
  const auth: SourceAuth = { kind: 'stripe', secrets: secrets('whsec_test_secret'), toleranceSeconds: 300 };
  const body = '{"id":"evt_1"}';
  const sign = (secret: string) => createHmac('sha256', secret).update(`1700000000.${body}`).digest('hex');
  const good = sign('whsec_test_secret');
  for (const [header, expected] of [
    [`t=1700000000,v1=${good}`, 'ok'],
    [`t=1700000000,v1=${sign('rolled')},v1=${good},v0=${sign('x')}`, 'ok'],
    [`t=1700000000,v0=${good}`, 'the signature is missing'],
    [`v1=${good}`, 'the signature is missing'],
    ['nonsense', 'the signature is missing'],
    [`t=1700000000,v1=${sign('rolled')}`, 'the signature does not match'],
    [`t=1700000001,v1=${good}`, 'the signature does not match'],
    [`t=1699999699,v1=${good}`, 'the timestamp is outside the window'],
    [`t=1.7e9,v1=${good}`, 'the timestamp is outside the window'],
  ] as const) {
    assert.equal(await verdict(auth, requestOf({ 'stripe-signature': header }, body)), expected, header);
  }
});

test('of many signatures in one header only the first sixteen are looked at', async () => {
  const auth: SourceAuth = { kind: 'stripe', secrets: secrets('whsec_test_secret'), toleranceSeconds: 300 };
  const good = createHmac('sha256', 'whsec_test_secret').update('1700000000.{}').digest('hex');
  const header = (others: number) => `t=1700000000,${'v1=00,'.repeat(others)}v1=${good}`;
  assert.equal(await verdict(auth, requestOf({ 'stripe-signature': header(15) }, '{}')), 'ok');
  assert.equal(
    await verdict(auth, requestOf({ 'stripe-signature': header(16) }, '{}')),
    'the signature does not match',
  );
});

test('a Shopify delivery is signed in Base64 over its raw bytes', async () => {
  const auth: SourceAuth = { kind: 'shopify', secrets: secrets('hush') };
  const body = '{ "id": 820982911946154508 }';
  const signature = createHmac('sha256', 'hush').update(body).digest('base64');
  assert.equal(await verdict(auth, requestOf({ 'x-shopify-hmac-sha256': signature }, body)), 'ok');
  const reserialised = '{"id":820982911946154508}';
  assert.equal(
    await verdict(auth, requestOf({ 'x-shopify-hmac-sha256': signature }, reserialised)),
    'the signature does not match',
  );
});

test('an HMAC of one’s own is described by header, algorithm, encoding, prefix and what is signed', async () => {
  const auth: SourceAuth = {
    kind: 'hmac',
    secrets: secrets('old', 'key'),
    header: 'x-signature',
    algorithm: 'sha512',
    encoding: 'base64',
    prefix: 'hmac ',
    signed: '{timestamp}|{body}|{timestamp}',
    timestamp: { header: 'x-time', toleranceSeconds: 60 },
  };
  const signature = createHmac('sha512', 'key').update('1700000000|body|1700000000').digest('base64');
  const headers = { 'x-signature': `hmac ${signature}`, 'x-time': '1700000000' };
  assert.equal(await verdict(auth, requestOf(headers, 'body')), 'ok');
  assert.equal(
    await verdict(auth, requestOf(headers, 'body'), 1_700_000_061),
    'the timestamp is outside the window',
  );
  assert.equal(
    await verdict(auth, requestOf({ ...headers, 'x-time': '1700000001' }, 'body')),
    'the signature does not match',
  );
});

test('an API key is looked for where it is configured, and only there', async () => {
  const inHeader: SourceAuth = {
    kind: 'apiKey',
    in: 'header',
    name: 'X-Api-Key',
    secrets: secrets('a', 'key'),
  };
  const inQuery: SourceAuth = { kind: 'apiKey', in: 'query', name: 'key', secrets: secrets('k=y') };
  assert.equal(await verdict(inHeader, requestOf({ 'x-api-key': 'key' }, '')), 'ok');
  assert.equal(
    await verdict(inHeader, requestOf({ 'x-api-key': 'keys' }, '')),
    'the credentials do not match',
  );
  assert.equal(await verdict(inHeader, requestOf({ 'x-api-key': '' }, '')), 'the credentials do not match');
  assert.equal(await verdict(inHeader, requestOf({}, '')), 'the credentials are missing');
  assert.equal(await verdict(inQuery, requestOf({}, '', 'https://bridge.example/?key=k%3Dy')), 'ok');
  assert.equal(await verdict(inQuery, requestOf({ key: 'k=y' }, '')), 'the credentials are missing');
  assert.equal(await verdict(inQuery, requestOf({}, '', 'no url')), 'the credentials are missing');
});

test('Basic credentials are user name and password, a colon in the password included', async () => {
  const auth: SourceAuth = { kind: 'basic', user: 'hook', secrets: secrets('pass:wörd') };
  const presenting = (text: string) =>
    requestOf({ authorization: `Basic ${Buffer.from(text).toString('base64')}` }, '');
  assert.equal(await verdict(auth, presenting('hook:pass:wörd')), 'ok');
  assert.equal(await verdict(auth, presenting('other:pass:wörd')), 'the credentials do not match');
  assert.equal(await verdict(auth, presenting('hook:')), 'the credentials do not match');
  assert.equal(
    await verdict(auth, requestOf({ authorization: 'Bearer x' }, '')),
    'the credentials are missing',
  );
});
