import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { generate } from 'selfsigned';
import { Secret } from '../shared/secret.ts';
import { msalAuth } from './credentials.ts';

const identity = { tenantId: 'tenant-1', clientId: 'client-1' };

test('without an authority of its own a tenant is asked at the public cloud', () => {
  const auth = msalAuth({ kind: 'clientSecret', ...identity, clientSecret: new Secret('s') });
  assert.equal(auth.authority, 'https://login.microsoftonline.com/tenant-1');
  assert.deepEqual(auth.knownAuthorities, []);
});

test('an authority of its own is trusted as it stands', () => {
  const authority = 'https://localhost:9401/tenant-1';
  const auth = msalAuth({ kind: 'clientSecret', ...identity, clientSecret: new Secret('s'), authority });
  assert.deepEqual(auth.knownAuthorities, ['localhost:9401']);
});

test('a certificate setting holds certificate and key, in one PEM', async () => {
  const pair = await generate([{ name: 'commonName', value: 'bridge' }]);
  const certificate = new Secret(`${pair.cert}\n${pair.private}`);
  const { clientCertificate } = msalAuth({ kind: 'clientCertificate', ...identity, certificate });
  const fingerprint = new X509Certificate(pair.cert).fingerprint256.replaceAll(':', '');
  assert.equal(clientCertificate?.thumbprintSha256, fingerprint);
  assert.match(clientCertificate?.privateKey ?? '', /BEGIN PRIVATE KEY/);
});

test('a certificate setting without a key is refused with what it must hold', () => {
  const certificate = new Secret('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----');
  assert.throws(() => msalAuth({ kind: 'clientCertificate', ...identity, certificate }), {
    code: 'token.unavailable',
    message: /must hold a certificate and its private key/,
  });
});
