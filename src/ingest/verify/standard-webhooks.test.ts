import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { Secret } from '../../shared/secret.ts';
import { standardWebhooks } from './standard-webhooks.ts';

// The vectors of standard-webhooks/standard-webhooks: libraries' tests for v1, the specification's example for v1a.
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const publicKey = 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=';
const id = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
const signedAt = 1_614_265_330;
const body = '{"test": 2432232314}';
const v1 = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';
const v1a = 'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==';

const otherSecret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';

interface Sent {
  secrets?: string[];
  id?: string;
  timestamp?: string;
  signature?: string;
  body?: string;
  family?: 'webhook' | 'svix';
  nowSeconds?: number;
}

async function verdict(sent: Sent): Promise<string> {
  const family = sent.family ?? 'webhook';
  const headers: Record<string, string> = {
    [`${family}-id`]: sent.id ?? id,
    [`${family}-timestamp`]: sent.timestamp ?? String(signedAt),
    [`${family}-signature`]: sent.signature ?? v1,
  };
  const { verify } = standardWebhooks({
    kind: 'standardWebhooks',
    toleranceSeconds: 300,
    secrets: (sent.secrets ?? [secret]).map((text) => new Secret(text)),
  });
  const verification = await verify(
    { url: 'https://bridge.example/', header: (name) => headers[name], body: Buffer.from(sent.body ?? body) },
    (sent.nowSeconds ?? signedAt) * 1000,
  );
  return verification.ok ? 'ok' : verification.detail;
}

const mismatch = 'the signature does not match';

test('the published v1 signature verifies by either family of headers', async () => {
  assert.equal(await verdict({}), 'ok');
  assert.equal(await verdict({ family: 'svix' }), 'ok');
});

test('the published v1a signature verifies with the public key alone', async () => {
  assert.equal(await verdict({ secrets: [publicKey], signature: v1a }), 'ok');
  assert.equal(await verdict({ secrets: [publicKey], signature: `v1,AAAA ${v1a}` }), 'ok');
  assert.equal(await verdict({ secrets: [publicKey], signature: v1a, body: `${body} ` }), mismatch);
  assert.equal(await verdict({ secrets: [publicKey], signature: 'v1a,AAAA' }), mismatch);
  assert.equal(await verdict({ secrets: [secret], signature: v1a }), mismatch);
});

test('a public key is never taken for a shared secret', async () => {
  const known = new Webhook(publicKey.slice('whpk_'.length));
  const forged = known.sign(id, new Date(signedAt * 1000), body);
  assert.equal(await verdict({ secrets: [publicKey], signature: forged }), mismatch);
  assert.equal(await verdict({ secrets: [publicKey], signature: forged.replace('v1,', 'v1a,') }), mismatch);
});

test('id, time and body are all signed', async () => {
  assert.equal(await verdict({ id: 'msg_other' }), mismatch);
  assert.equal(await verdict({ timestamp: String(signedAt + 1) }), mismatch);
  assert.equal(await verdict({ body: '{"test":2432232314}' }), mismatch);
  assert.equal(await verdict({ signature: v1.replace('v1,', 'v2,') }), mismatch);
  assert.equal(await verdict({ signature: '' }), 'the signature is missing');
});

test('a delivery is refused when it is older or younger than five minutes', async () => {
  const outside = 'the timestamp is outside the window';
  assert.equal(await verdict({ nowSeconds: signedAt + 300 }), 'ok');
  assert.equal(await verdict({ nowSeconds: signedAt + 301 }), outside);
  assert.equal(await verdict({ nowSeconds: signedAt - 301 }), outside);
  assert.equal(await verdict({ timestamp: `${signedAt}.0` }), outside);
  assert.equal(await verdict({ timestamp: '-1' }), outside);
});

test('what standardwebhooks and svix sign verifies here, also while a secret is rotated', async () => {
  for (const Signer of [Webhook, SvixWebhook]) {
    const at = new Date(signedAt * 1000);
    const old = new Signer(secret).sign(id, at, body);
    const renewed = new Signer(otherSecret).sign(id, at, body);
    assert.equal(old, v1);
    assert.equal(await verdict({ signature: `${renewed} ${old}` }), 'ok');
    assert.equal(await verdict({ signature: renewed, secrets: [secret, otherSecret] }), 'ok');
    assert.equal(await verdict({ signature: renewed }), mismatch);
  }
});

test('standardwebhooks and svix take and refuse exactly what is taken and refused here', async () => {
  const nowSeconds = Math.floor(Date.now() / 1000);
  for (const [family, Verifier] of [
    ['webhook', Webhook],
    ['svix', SvixWebhook],
  ] as const) {
    const oracle = new Verifier(secret);
    const signature = oracle.sign(id, new Date(nowSeconds * 1000), body);
    const old = nowSeconds - 400;
    for (const sent of [
      { signature, body },
      { signature, body: `${body} ` },
      { signature: `v1,AAAA v2,x ${signature}`, body },
      { signature: new Verifier(otherSecret).sign(id, new Date(nowSeconds * 1000), body), body },
      { signature: oracle.sign(id, new Date(old * 1000), body), body, timestamp: String(old) },
    ]) {
      const timestamp = sent.timestamp ?? String(nowSeconds);
      const headers = {
        [`${family}-id`]: id,
        [`${family}-timestamp`]: timestamp,
        [`${family}-signature`]: sent.signature,
      };
      let theirs = true;
      try {
        oracle.verify(sent.body, headers);
      } catch {
        theirs = false;
      }
      const ours = await verdict({ ...sent, timestamp, family, nowSeconds });
      assert.equal(ours === 'ok', theirs, JSON.stringify(sent));
    }
  }
});

test('an ed25519 key made anywhere else verifies too, and only its own signatures', async () => {
  const pair = generateKeyPairSync('ed25519');
  const raw = Buffer.from(pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('base64');
  const signature = sign(null, Buffer.from(`${id}.${signedAt}.${body}`), pair.privateKey).toString('base64');
  assert.equal(await verdict({ secrets: [`whpk_${raw}`], signature: `v1a,${signature}` }), 'ok');
  assert.equal(await verdict({ secrets: [`whpk_${raw}`], signature: v1a }), mismatch);
});
