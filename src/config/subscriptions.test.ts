import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generate } from 'selfsigned';
import { type ConfigError, parseConfig } from './load.ts';

const pair = await generate([{ name: 'commonName', value: 'bridge' }]);
const settings = {
  AzureWebJobsStorage: 'UseDevelopmentStorage=true',
  SIGNING: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  PRIVATE: `whsk_${Buffer.alloc(32, 7).toString('base64')}`,
  WEAK: 'whsec_QUJD',
  SHORT: `whsk_${Buffer.alloc(31, 7).toString('base64')}`,
  KEY: 'k-1',
  PASTED: 'a key\nand a line',
  PEM: `${pair.cert}\n${pair.private}`,
  CERT_ONLY: pair.cert,
};

function parse(subscription: object, rest: object = {}) {
  const config = {
    proxy: { url: 'https://proxy.example', auth: { kind: 'managedIdentity' } },
    subscriptions: { audit: { topics: ['orders'], ...subscription } },
    ...rest,
  };
  return parseConfig({ file: 'bridge.config.json', text: JSON.stringify(config), settings }).subscriptions
    .audit;
}

/** What is complained of, without the path down to the endpoint. */
function complaints(endpoint: object, subscription: object = {}, rest: object = {}): string {
  try {
    parse({ endpoint: { url: 'https://hooks.example/in', ...endpoint }, ...subscription }, rest);
  } catch (error) {
    return (error as ConfigError).message.replaceAll('subscriptions.audit.', '');
  }
  return 'accepted';
}

test('a subscription is its topics and an endpoint; the rest has defaults', () => {
  const subscription = parse({ endpoint: { url: 'https://hooks.example/in' } });
  assert.ok(subscription);
  const { endpoint, retry, ...rest } = subscription;
  assert.deepEqual(rest, {
    topics: ['orders'],
    start: 'latest',
    ordering: 'key',
    maxInFlight: 16,
    parkedMax: 1_000,
    dataLoss: 'skip',
    form: 'structured',
  });
  assert.deepEqual(endpoint, {
    url: 'https://hooks.example/in',
    headers: {},
    auth: { kind: 'none' },
    signingSecrets: [],
    timeoutMs: 15_000,
    handshake: false,
    allowPrivate: [],
    allowHttp: false,
    connectionsMax: 64,
    breaker: { failureRatio: 0.5, attemptsMin: 20, openMs: 30_000, openMsMax: 600_000 },
  });
  assert.equal(retry.delaysMs.length + 1, 10, 'tried ten times');
  assert.equal(retry.refusedAttemptsMax, 3);
});

test('all that may be under way has room to be parked twice over, unless a bound is given', () => {
  const endpoint = { url: 'https://hooks.example/in' };
  const boundOf = (entry: object) => parse({ endpoint, ...entry })?.parkedMax;
  assert.equal(boundOf({ form: { kind: 'batch' } }), 3_200);
  assert.equal(boundOf({ form: { kind: 'array', recordsMax: 10_000 } }), 100_000);
  assert.equal(boundOf({ form: { kind: 'batch' }, parkedMax: 5 }), 5);
});

test('every field that a subscription can have is read', () => {
  const subscription = parse({
    filter: { prefix: { type: 'order.' } },
    transform: '{ "id": data.id }',
    form: { kind: 'batch', recordsMax: 10, lingerMs: 200 },
    endpoint: {
      url: 'https://hooks.example/{type}?tenant={/tenant}',
      headers: { 'x-tenant': '{/tenant}', 'x-region': 'eu' },
      auth: {
        kind: 'oauth2',
        tokenUrl: 'https://login.example/token',
        clientId: 'c',
        clientSecret: '${KEY}',
      },
      signingSecrets: ['${SIGNING}', '${PRIVATE}'],
      ratePerSecond: 0.5,
      allowPrivate: ['hooks.internal', '10.0.0.0/8'],
    },
  });
  assert.deepEqual(subscription?.form, { kind: 'batch', recordsMax: 10, bytesMax: 1_048_576, lingerMs: 200 });
});

test('the guard looks at every URL before anything is sent', () => {
  assert.match(
    complaints({ url: 'http://hooks.example/' }),
    /endpoint\.url: only https is allowed.*allowHttp/,
  );
  assert.match(complaints({ url: 'https://0x7f.1/' }), /127\.0\.0\.1 is not a public address.*allowPrivate/);
  const auth = { kind: 'oauth2', tokenUrl: 'https://10.0.0.1/token', clientId: 'c', clientSecret: '${KEY}' };
  assert.match(complaints({ auth }), /endpoint\.auth\.tokenUrl: 10\.0\.0\.1 is not a public address/);
  assert.equal(complaints({ auth, allowPrivate: ['10.0.0.1'] }), 'accepted');
  const local = { url: 'http://127.0.0.1:9403/', allowHttp: true, allowPrivate: ['127.0.0.1'] };
  assert.equal(complaints(local), 'accepted');
});

test('values of an event may stand in path and query, never in the host', () => {
  assert.match(
    complaints({ url: 'https://{type}.example/' }),
    /endpoint\.url: must begin with .* a fixed host/,
  );
  assert.match(complaints({ url: 'https://hooks.example/{Type}' }), /\{Type\} must be an attribute name/);
  assert.match(complaints({ headers: { 'x-a': '{/a' } }), /headers\.x-a: holds a brace/);
});

test('headers that the bridge sets itself are refused, and so are two of one name', () => {
  for (const name of ['Content-Type', 'webhook-id', 'ce-id', 'Host', 'authorization', 'Transfer-Encoding']) {
    assert.match(complaints({ headers: { [name]: 'x' } }), /is set by the bridge/, name);
  }
  assert.match(
    complaints({ headers: { 'X-A': '1', 'x-a': '2' } }),
    /endpoint\.headers: names a header twice/,
  );
  const auth = { kind: 'apiKey', value: '${KEY}' };
  assert.match(complaints({ auth, headers: { 'X-Api-Key': '1' } }), /names a header twice/);
  assert.match(
    complaints({ auth: { kind: 'apiKey', value: '${PASTED}' } }),
    /auth\.value: must be printable/,
  );
});

test('signing secrets are strong enough, or private keys', () => {
  assert.match(complaints({ signingSecrets: ['${WEAK}'] }), /signingSecrets\.0: must be whsec_ .* 24 to 64/);
  assert.match(complaints({ signingSecrets: ['${SHORT}'] }), /whsk_ followed by .* ed25519/);
});

test('a client certificate comes with its key, and needs TLS', () => {
  const mtls = (certificate: string) => ({ auth: { kind: 'mtls', certificate } });
  assert.equal(complaints(mtls('${PEM}')), 'accepted');
  assert.match(
    complaints(mtls('${CERT_ONLY}')),
    /auth\.certificate: must hold a certificate and the private/,
  );
  assert.match(complaints({ ...mtls('${PEM}'), url: 'http://h.example', allowHttp: true }), /mtls needs TLS/);
});

test('what no single field can see is refused too', () => {
  assert.match(complaints({}, {}, { drain: { leaseMs: 20_000 } }), /at most half of drain\.leaseMs/);
  assert.match(
    complaints({}, {}, { drain: { budgetMs: 20_000 } }),
    /at most drain\.budgetMs \(20000\) divided by 2/,
  );
  const batch = { form: { kind: 'batch', recordsMax: 100 } };
  assert.equal(complaints({}, batch, { drain: { budgetMs: 120_000 } }), 'accepted');
  assert.match(
    complaints({}, batch, { drain: { budgetMs: 119_999 } }),
    /divided by 8, or not all it takes to find/,
  );
  assert.match(complaints({}, { topics: ['a', 'a'] }), /topics: names a topic twice/);
  assert.match(complaints({ breaker: { openMs: 700_000 } }), /breaker\.openMs: must be at most openMsMax/);
  assert.match(complaints({ handshake: true }), /handshake: must be false, or \{ "origin"/);
  for (const origin of ['a\r\nx-y: z', 'ü.example', 'https://bridge.example', '']) {
    assert.match(complaints({ handshake: { origin } }), /handshake.origin: must be a DNS name/);
  }
  const handshake = { origin: 'bridge.example' };
  assert.match(complaints({ handshake, url: 'https://h.example/{type}' }), /handshake: asks one URL/);
});

test('a form that there is not, and an authentication that there is not, are answered with those there are', () => {
  assert.match(complaints({}, { form: 'json' }), /form: must be "structured", "binary", "raw"/);
  assert.match(complaints({ auth: { kind: 'digest' } }), /kind must be none, apiKey, basic, bearer, oauth2/);
  assert.match(
    complaints({}, { form: { kind: 'batch', recordsMax: 0 } }),
    /form\.recordsMax: must be at least 1/,
  );
});
