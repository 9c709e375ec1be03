import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { openDelivery, startReceiver } from '../../test/support/receiver.ts';
import { Secret } from '../shared/secret.ts';
import { createSign } from './sign.ts';

const oldSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const newSecret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
const content = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestampSeconds: 1_614_265_330 };

function sign(body: string | Uint8Array, ...secrets: string[]): string | undefined {
  return createSign(secrets.map((secret) => new Secret(secret)))?.({ ...content, body });
}

/** A private key as operators have it, and what a receiver verifies with. */
function keyPair() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
  const [seed, point] = [Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')];
  return { publicKey, seed, point };
}

test('the published vector of Standard Webhooks is signed as published', () => {
  const published = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';
  assert.equal(sign('{"test": 2432232314}', oldSecret), published);
  assert.equal(sign(Buffer.from('{"test": 2432232314}'), oldSecret), published, 'bytes like text');
});

test('a receiver verifies a delivery with the old secret and with the new one, by two libraries', async (t) => {
  const receiver = await startReceiver(t);
  const { send } = await openDelivery(t, receiver.url, {
    endpoint: { signingSecrets: [new Secret(newSecret), new Secret(oldSecret)] },
  });
  await send();
  const [request] = receiver.seen;
  assert.ok(request);
  const { body } = request;
  const headers = request.headers as Record<string, string>;
  for (const secret of [oldSecret, newSecret]) {
    assert.doesNotThrow(() => new Webhook(secret).verify(body, headers));
    assert.doesNotThrow(() => new SvixWebhook(secret).verify(body, headers));
  }
  const other = 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
  assert.throws(() => new Webhook(other).verify(body, headers));
  assert.throws(() => new SvixWebhook(other).verify(body, headers));
  assert.throws(() => new Webhook(newSecret).verify(`${body} `, headers));
});

test('a private key signs so that its public key verifies, with the public key behind it or without', () => {
  const { publicKey, seed, point } = keyPair();
  const signed = Buffer.from(`${content.id}.${content.timestampSeconds}.{"ü":1}`);
  for (const bytes of [seed, Buffer.concat([seed, point])]) {
    const signature = sign('{"ü":1}', `whsk_${bytes.toString('base64')}`);
    const [version, base64 = ''] = signature?.split(',') ?? [];
    assert.equal(version, 'v1a');
    assert.ok(verify(null, signed, publicKey, Buffer.from(base64, 'base64')));
  }
});

test('the test key of RFC 8032 is read as its own', () => {
  // RFC 8032, section 7.1, test 1.
  const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const publicKey = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  const point = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('hex');
  assert.equal(point, 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
  const signature = sign('', `whsk_${seed.toString('base64')}`)?.slice('v1a,'.length) ?? '';
  const signed = Buffer.from(`${content.id}.${content.timestampSeconds}.`);
  assert.ok(verify(null, signed, publicKey, Buffer.from(signature, 'base64')));
});

test('shared secrets and private keys sign side by side; without any there is no signature', () => {
  const key = `whsk_${keyPair().seed.toString('base64')}`;
  assert.match(sign('x', oldSecret, key, newSecret) ?? '', /^v1,\S+ v1a,\S+ v1,\S+$/);
  assert.equal(sign('x'), undefined);
});
