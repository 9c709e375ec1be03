import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CloudEvent, parseCloudEvent } from '../../events/cloud-event.ts';
import { Secret } from '../../shared/secret.ts';
import { createReadWebhook, type WebhookResult } from './read-webhook.ts';
import type { SourceAuth } from './source-auth.ts';

const nowSeconds = 1_700_000_000;
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const secrets = [new Secret(secret)];
const toleranceSeconds = 300;

const auths: Readonly<Record<string, SourceAuth>> = {
  github: { kind: 'github', secrets },
  stripe: { kind: 'stripe', secrets, toleranceSeconds },
  slack: { kind: 'slack', secrets, toleranceSeconds },
  standard: {
    kind: 'standardWebhooks',
    secrets: [...secrets, new Secret('whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=')],
    toleranceSeconds,
  },
  shopify: { kind: 'shopify', secrets },
  twilio: { kind: 'twilio', secrets },
  hmac: {
    kind: 'hmac',
    secrets,
    header: 'x-signature',
    algorithm: 'sha1',
    encoding: 'hex',
    prefix: '',
    signed: '{body}',
  },
  key: { kind: 'apiKey', in: 'header', name: 'x-api-key', secrets },
  basic: { kind: 'basic', user: 'hook', secrets },
  jwt: {
    kind: 'jwt',
    issuer: 'https://issuer.example',
    audience: 'bridge',
    keysUrl: 'https://issuer.example/keys',
    roles: [],
    appIds: [],
    toleranceSeconds,
  },
  none: { kind: 'none' },
};

const readWebhook = createReadWebhook({
  sources: {
    ...Object.fromEntries(
      Object.entries(auths).map(([name, auth]) => [name, { type: `${name}.hook`, auth }]),
    ),
    plain: { type: 'http.received' },
  },
  send: async () => ({ status: 200, headers: {}, body: '{"keys":[]}' }),
  newId: () => 'new-id',
  limits: { depthMax: 20 },
});

type Headers = Readonly<Record<string, string>>;

function read(source: string, headers: Headers, body: string | Uint8Array): Promise<WebhookResult> {
  const url = `https://bridge.example/api/webhooks/${source}`;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return readWebhook(source, { url, header: (name) => headers[name], body: bytes }, nowSeconds * 1000);
}

async function eventOf(source: string, headers: Headers, body: string | Uint8Array): Promise<CloudEvent> {
  const result = await read(source, headers, body);
  assert.ok('event' in result, JSON.stringify(result));
  assert.deepEqual(parseCloudEvent(result.event), { ok: true, event: result.event });
  return result.event;
}

async function problemOf(source: string, headers: Headers, body: string | Uint8Array) {
  const result = await read(source, headers, body);
  assert.ok('problem' in result, JSON.stringify(result));
  return { status: result.problem.status, detail: result.problem.detail, headers: result.headers };
}

const json = { 'content-type': 'application/json; charset=utf-8' };
const form = { 'content-type': 'application/x-www-form-urlencoded' };

function hmacOf(signed: string, encoding: 'hex' | 'base64' = 'hex', algorithm = 'sha256'): string {
  return createHmac(algorithm, secret).update(signed).digest(encoding);
}

function signedBySlack(body: string): Headers {
  return {
    'x-slack-request-timestamp': String(nowSeconds),
    'x-slack-signature': `v0=${hmacOf(`v0:${nowSeconds}:${body}`)}`,
  };
}

test('a Stripe event keeps its id, type and time, and no number in it changes', async () => {
  const body =
    '{"id":"evt_1","type":"invoice.paid","created":1699999000,"data":{"object":{"id":"in_1","n":9007199254740993}}}';
  const signature = `t=${nowSeconds},v1=${hmacOf(`${nowSeconds}.${body}`)}`;
  const event = await eventOf('stripe', { ...json, 'stripe-signature': signature }, body);
  const { data, ...attributes } = event;
  assert.deepEqual(attributes, {
    specversion: '1.0',
    id: 'evt_1',
    source: '/sources/stripe',
    type: 'com.stripe.invoice.paid',
    time: '2023-11-14T21:56:40.000Z',
    subject: 'in_1',
    datacontenttype: 'application/json',
  });
  assert.equal(JSON.stringify(data), body);
});

test('a Slack event keeps its id, inner type and time', async () => {
  const body =
    '{"type":"event_callback","event_id":"Ev1","event_time":1699999000,"event":{"type":"app_mention"}}';
  const event = await eventOf('slack', { ...json, ...signedBySlack(body) }, body);
  assert.equal(event.id, 'Ev1');
  assert.equal(event.type, 'com.slack.app_mention');
  assert.equal(event.time, '2023-11-14T21:56:40.000Z');
});

test("Slack's challenge is answered and makes no event, but only when Slack signed it", async () => {
  const body = '{"token":"t","challenge":"3eZbrw1aB<b>","type":"url_verification"}';
  assert.deepEqual(await read('slack', { ...json, ...signedBySlack(body) }, body), {
    reply: { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: '3eZbrw1aB<b>' },
  });
  assert.equal((await problemOf('slack', json, body)).status, 401);
  assert.equal((await eventOf('none', json, body)).type, 'none.hook');
});

test('a Slack interaction comes as a form that carries JSON, and the JSON is the data', async () => {
  const body = `payload=${encodeURIComponent('{"type":"block_actions","user":{"id":"U1"}}')}`;
  const event = await eventOf('slack', { ...form, ...signedBySlack(body) }, body);
  assert.equal(event.type, 'com.slack.block_actions');
  assert.deepEqual(event.data, { type: 'block_actions', user: { id: 'U1' } });
  assert.equal(event.datacontenttype, 'application/json');
});

test('a Standard Webhooks event keeps its message id, type and timestamp', async () => {
  const body = '{"type":"contact.created","timestamp":"2022-11-03T20:26:10.344522Z","data":{}}';
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const signature = createHmac('sha256', key).update(`msg_1.${nowSeconds}.${body}`).digest('base64');
  const event = await eventOf(
    'standard',
    {
      ...json,
      'svix-id': 'msg_1',
      'svix-timestamp': String(nowSeconds),
      'svix-signature': `v1,${signature}`,
    },
    body,
  );
  assert.equal(event.id, 'msg_1');
  assert.equal(event.type, 'contact.created');
  assert.equal(event.time, '2022-11-03T20:26:10.344522Z');
});

test('a Shopify event takes id, topic, time and shop from its headers', async () => {
  const event = await eventOf(
    'shopify',
    {
      ...json,
      'x-shopify-hmac-sha256': hmacOf('{}', 'base64'),
      'x-shopify-webhook-id': 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043',
      'x-shopify-topic': 'orders/create',
      'x-shopify-triggered-at': '2023-03-29T18:00:27.877041743Z',
      'x-shopify-shop-domain': 'shop.myshopify.com',
    },
    '{}',
  );
  assert.equal(event.id, 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043');
  assert.equal(event.type, 'com.shopify.orders.create');
  assert.equal(event.time, '2023-03-29T18:00:27.877041743Z');
  assert.equal(event.subject, 'shop.myshopify.com');
});

test('two states of one Twilio message are two events with the message as their subject', async () => {
  const send = (status: string, token: string) => {
    const fields = { MessageSid: 'SM1', MessageStatus: status };
    const signed = `https://bridge.example/api/webhooks/twilioMessageSidSM1MessageStatus${status}`;
    const headers = {
      ...form,
      'x-twilio-signature': hmacOf(signed, 'base64', 'sha1'),
      'i-twilio-idempotency-token': token,
    };
    return eventOf('twilio', headers, new URLSearchParams(fields).toString());
  };
  const [sent, delivered] = [await send('sent', 'token-1'), await send('delivered', 'token-2')];
  assert.deepEqual([sent.id, delivered.id], ['token-1', 'token-2']);
  assert.deepEqual([sent.type, delivered.type], ['com.twilio.message.sent', 'com.twilio.message.delivered']);
  assert.deepEqual([sent.subject, delivered.subject], ['SM1', 'SM1']);
  assert.deepEqual(sent.data, { MessageSid: 'SM1', MessageStatus: 'sent' });
});

test('what a delivery does not say is filled: a new id, the configured type, the time of arrival', async () => {
  const event = await eventOf('none', json, '[1]');
  assert.deepEqual(event, {
    specversion: '1.0',
    id: 'new-id',
    source: '/sources/none',
    type: 'none.hook',
    time: '2023-11-14T22:13:20.000Z',
    datacontenttype: 'application/json',
    data: [1],
  });
});

test('a form becomes an object of its fields, repeated ones an array, and any other body stays bytes', async () => {
  const fields = await eventOf('none', form, 'a=1&b=x+y&b=%C3%A4&__proto__=p');
  assert.equal(JSON.stringify(fields.data), '{"a":"1","b":["x y","ä"],"__proto__":"p"}');
  assert.equal(fields.datacontenttype, 'application/json');
  const image = await eventOf('none', { 'content-type': 'image/png' }, new Uint8Array([0, 255]));
  assert.equal(image.data_base64, 'AP8=');
  assert.equal(image.datacontenttype, 'image/png');
  const unnamed = await eventOf('none', {}, 'x');
  assert.equal(unnamed.data_base64, 'eA==');
  assert.equal(unnamed.datacontenttype, 'application/octet-stream');
  const misnamed = await eventOf('none', { 'content-type': 'my app/json' }, '{}');
  assert.equal(misnamed.datacontenttype, 'application/json');
});

test('bodies that cannot be read are refused by what is wrong with them', async () => {
  assert.equal((await problemOf('none', json, '{')).status, 400);
  assert.equal((await problemOf('none', json, '')).status, 400);
  assert.equal(
    (await problemOf('none', json, new Uint8Array([0x22, 0xff, 0x22]))).detail,
    'the body is not UTF-8',
  );
  assert.equal((await problemOf('none', form, new Uint8Array([0xff]))).detail, 'the body is not UTF-8');
  assert.match((await problemOf('none', json, '['.repeat(21))).detail, /20 deep/);
  const events = { 'content-type': 'application/cloudevents-batch+json' };
  assert.match((await problemOf('none', events, '[]')).detail, /taken at \/api\/events/);
  const zipped = await problemOf('none', { ...json, 'content-encoding': 'gzip' }, '{}');
  assert.equal(zipped.status, 415);
});

test('a request is verified before its body is looked at', async () => {
  const { status, detail, headers } = await problemOf('github', json, 'not JSON');
  assert.deepEqual([status, detail], [401, 'the signature is missing']);
  assert.deepEqual(headers, { 'www-authenticate': 'Signature realm="github"' });
  assert.deepEqual((await problemOf('basic', {}, '')).headers, { 'www-authenticate': 'Basic realm="basic"' });
});

test('a source takes webhooks only when its configuration says how to verify them', async () => {
  const plain = await problemOf('plain', json, '{}');
  assert.equal(plain.status, 404);
  assert.match(plain.detail, /no auth \(sources\.plain\.auth\)/);
  for (const name of ['nowhere', 'constructor', '__proto__']) {
    assert.match((await problemOf(name, json, '{}')).detail, /not among the configured sources/);
  }
});

const headerNames = [
  'content-type',
  'content-encoding',
  'authorization',
  'x-hub-signature-256',
  'stripe-signature',
  'x-slack-signature',
  'x-slack-request-timestamp',
  'webhook-id',
  'webhook-timestamp',
  'webhook-signature',
  'x-shopify-hmac-sha256',
  'x-twilio-signature',
  'x-signature',
  'x-api-key',
];

/** Texts that look like what the headers carry, so that the parsers are entered deeply. */
const headerValue = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.base64String(),
  fc.constantFrom('application/json', String(nowSeconds), 'Basic aG9vazp4', 'Bearer a.b.c'),
  fc.base64String().map((text) => `v1,${text} v1a,${text}`),
  fc.base64String().map((text) => `t=${nowSeconds},v1=${text}`),
  fc
    .tuple(fc.json(), fc.json())
    .map(
      ([head, body]) =>
        `Bearer ${[head, body, ''].map((part) => Buffer.from(part).toString('base64url')).join('.')}`,
    ),
);

test('whatever headers and bytes arrive, nothing unsigned is taken and nothing throws', async () => {
  const strict = Object.keys(auths).filter((name) => name !== 'none');
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...strict),
      fc.dictionary(fc.constantFrom(...headerNames), headerValue),
      fc.uint8Array(),
      async (source, headers, body) => {
        const { status, detail } = await problemOf(source, headers, body);
        assert.equal(status, 401);
        assert.match(
          detail,
          /^the (signature|credentials|timestamp) (is|are|do|does) (missing|not match|outside the window)$/,
        );
      },
    ),
    { numRuns: 1_000 },
  );
});

test('whatever a signed delivery says of itself, the event keeps the rules of CloudEvents', async () => {
  const text = fc.string({ unit: 'binary' });
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.constantFrom('x-github-event', 'x-github-delivery', 'content-type'), text),
      fc.oneof(
        fc.json(),
        fc
          .record({ action: text, repository: fc.record({ full_name: text }) })
          .map((value) => JSON.stringify(value)),
      ),
      async (said, body) => {
        const headers = { ...json, ...said, 'x-hub-signature-256': `sha256=${hmacOf(body)}` };
        const event = await eventOf('github', headers, body);
        assert.notEqual(event.id, '');
      },
    ),
    { numRuns: 500 },
  );
});
