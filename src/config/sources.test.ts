import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProvider, type SourceAuth } from '../ingest/verify/source-auth.ts';
import { type ConfigError, parseConfig } from './load.ts';

const settings = {
  KEY: 'hunter2hunter2',
  STANDARD: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  PUBLIC: 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=',
};

function authOf(auth: object | undefined): SourceAuth | undefined {
  const file = {
    proxy: { url: 'https://proxy.example', auth: { kind: 'developer' } },
    storage: { tablesUrl: 'https://account.table.core.windows.net' },
    sources: { hooks: { auth } },
  };
  const text = JSON.stringify(file);
  return parseConfig({ file: 'bridge.config.json', text, settings }).sources.hooks?.auth;
}

function complaint(auth: object): string {
  try {
    authOf(auth);
  } catch (error) {
    return (error as ConfigError).message;
  }
  return 'accepted';
}

const secrets = ['${KEY}'];

test('every kind of auth that can be configured can be verified with', () => {
  for (const auth of [
    { kind: 'github', secrets },
    { kind: 'stripe', secrets },
    { kind: 'slack', secrets, toleranceSeconds: 60 },
    { kind: 'standardWebhooks', secrets: ['${STANDARD}', '${PUBLIC}'] },
    { kind: 'shopify', secrets },
    { kind: 'twilio', secrets, publicUrl: 'https://hooks.example/twilio' },
    { kind: 'hmac', secrets, header: 'x-signature' },
    { kind: 'apiKey', secrets },
    { kind: 'basic', user: 'hook', secrets },
    { kind: 'jwt', issuer: 'https://i.example', audience: 'a', keysUrl: 'https://i.example/keys' },
    { kind: 'none' },
  ]) {
    const parsed = authOf(auth);
    assert.ok(parsed !== undefined, auth.kind);
    assert.equal(typeof createProvider(parsed, () => Promise.reject(new Error('unused'))).verify, 'function');
  }
});

test('defaults: five minutes, SHA-256 in hex over the body, the key in x-api-key, no auth at all', () => {
  const stripe = authOf({ kind: 'stripe', secrets });
  assert.equal(stripe?.kind === 'stripe' && stripe.toleranceSeconds, 300);
  const { secrets: _, ...hmac } = authOf({ kind: 'hmac', secrets, header: 'x-signature' }) as SourceAuth & {
    secrets: unknown;
  };
  assert.deepEqual(hmac, {
    kind: 'hmac',
    header: 'x-signature',
    algorithm: 'sha256',
    encoding: 'hex',
    prefix: '',
    signed: '{body}',
  });
  const key = authOf({ kind: 'apiKey', secrets });
  assert.deepEqual(key?.kind === 'apiKey' && [key.in, key.name], ['header', 'x-api-key']);
  assert.equal(authOf(undefined), undefined);
});

test('an auth that is wrong is refused with what would be right', () => {
  for (const [auth, expected] of [
    [{ kind: 'gitlab' }, /hooks\.auth\.kind: .*must be github, stripe, slack/],
    [{}, /hooks\.auth\.kind: .*must be github, stripe, slack/],
    [{ kind: 'github' }, /hooks\.auth\.secrets: /],
    [{ kind: 'github', secrets: [] }, /hooks\.auth\.secrets: /],
    [{ kind: 'github', secrets: [1, 2, 3, 4, 5].map(() => '${KEY}') }, /hooks\.auth\.secrets: /],
    [{ kind: 'github', secrets: ['plain'] }, /secrets\.0: holds a secret: name a setting/],
    [{ kind: 'github', secrets: ['${GONE}'] }, /secrets\.0: the setting GONE is not set/],
    [{ kind: 'standardWebhooks', secrets }, /secrets\.0: must be whsec_ followed by Base64, or whpk_/],
    [{ kind: 'stripe', secrets, toleranceSeconds: 0 }, /toleranceSeconds: /],
    [{ kind: 'hmac', secrets, header: 'no header' }, /header: must be the name of an HTTP header/],
    [{ kind: 'hmac', secrets, header: 'x', signed: 'x' }, /signed: must hold \{body\} exactly once/],
    [
      { kind: 'hmac', secrets, header: 'x', timestamp: { header: 'x-time' } },
      /signed: must hold \{timestamp\} exactly when timestamp is set/,
    ],
    [{ kind: 'hmac', secrets, header: 'x', signed: '{timestamp}{body}' }, /signed: must hold \{timestamp\}/],
    [{ kind: 'none', secrets }, /takes no "secrets"; it takes: kind/],
  ] as const) {
    assert.match(complaint(auth), expected, JSON.stringify(auth));
  }
});

test('a setting that is missing is reported once, not also as a malformed secret', () => {
  const message = complaint({ kind: 'standardWebhooks', secrets: ['${GONE}'] });
  assert.match(message, /the setting GONE is not set/);
  assert.doesNotMatch(message, /must be whsec_/);
});
