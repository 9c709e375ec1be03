import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { HttpError, type HttpSend } from '../../shared/http.ts';
import { type JwtAuth, jwt } from './jwt.ts';

const nowSeconds = 1_700_000_000;
const newPair = () => generateKeyPairSync('rsa', { modulusLength: 2048 });
const { publicKey, privateKey } = newPair();
const keySet = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1' }] });

const auth: JwtAuth = {
  kind: 'jwt',
  issuer: 'https://login.microsoftonline.com/tenant/v2.0',
  audience: 'bridge',
  keysUrl: 'https://login.microsoftonline.com/tenant/discovery/v2.0/keys',
  roles: [],
  appIds: [],
  toleranceSeconds: 300,
};

/** A good token but for `changes`. */
function token(changes: Record<string, unknown> = {}, key = privateKey, alg = 'RS256'): Promise<string> {
  const claims = { iss: auth.issuer, aud: 'bridge', exp: nowSeconds + 3600, azp: 'app-1', ...changes };
  return new SignJWT(claims).setProtectedHeader({ alg, kid: 'k1' }).sign(key);
}

const serving: HttpSend = async () => ({ status: 200, headers: {}, body: keySet });

async function verify(bearer: string | undefined, changes: Partial<JwtAuth> = {}, send: HttpSend = serving) {
  const headers: Record<string, string | undefined> = {
    authorization: bearer === undefined ? undefined : `Bearer ${bearer}`,
  };
  return jwt({ ...auth, ...changes }, send).verify(
    { url: 'https://bridge.example/', header: (name) => headers[name], body: new Uint8Array() },
    nowSeconds * 1000,
  );
}

async function verdict(...sent: Parameters<typeof verify>): Promise<string> {
  const verification = await verify(...sent);
  return verification.ok ? 'ok' : `${verification.kind}: ${verification.detail}`;
}

const mismatch = 'unverified: the credentials do not match';

test('a token of the issuer, for this audience, is good until five minutes after its end', async () => {
  assert.equal(await verdict(await token()), 'ok');
  assert.equal(await verdict(await token({ exp: nowSeconds - 299 })), 'ok');
  assert.equal(
    await verdict(await token({ exp: nowSeconds - 301 })),
    'unverified: the timestamp is outside the window',
  );
});

test('tokens of others, for others, without an end or signed otherwise are all refused alike', async () => {
  const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await token()).split('.')[1]}.`;
  const shared = await new SignJWT({ iss: auth.issuer, aud: 'bridge', exp: nowSeconds + 60 })
    .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
    .sign(new TextEncoder().encode(keySet));
  for (const [why, bad] of [
    ['issuer', await token({ iss: 'https://evil.example' })],
    ['audience', await token({ aud: 'other' })],
    ['no end', await token({ exp: undefined })],
    ['not yet', await token({ nbf: nowSeconds + 301 })],
    ['key', await token({}, newPair().privateKey)],
    ['algorithm', await token({}, privateKey, 'PS256')],
    ['unsigned', unsigned],
    ['shared secret', shared],
    ['no token', 'x.y.z'],
  ] as const) {
    assert.equal(await verdict(bad), mismatch, why);
  }
  assert.equal(await verdict(undefined), 'unverified: the credentials are missing');
});

test('roles and calling applications are asked for when they are configured', async () => {
  assert.equal(await verdict(await token({ roles: ['send', 'x'] }), { roles: ['send'] }), 'ok');
  assert.equal(await verdict(await token({ roles: ['x'] }), { roles: ['send'] }), mismatch);
  assert.equal(await verdict(await token({ roles: 'send' }), { roles: ['send'] }), mismatch);
  assert.equal(await verdict(await token(), { appIds: ['app-1'] }), 'ok');
  assert.equal(await verdict(await token({ azp: undefined, appid: 'app-1' }), { appIds: ['app-1'] }), 'ok');
  assert.equal(await verdict(await token(), { appIds: ['app-2'] }), mismatch);
});

test('keys that cannot be read are our trouble, not the sender’s, and the log learns why', async () => {
  const unreachable = new HttpError({ failure: 'connect', message: 'cannot connect' });
  for (const send of [
    async () => Promise.reject(unreachable),
    async () => ({ status: 503, headers: {}, body: 'busy' }),
    async () => ({ status: 204, headers: {}, body: '' }),
    async () => ({ status: 200, headers: {}, body: 'not JSON' }),
    async () => ({ status: 200, headers: {}, body: '{"keys":7}' }),
  ]) {
    const verification = await verify(await token(), {}, send);
    assert.equal(verification.ok, false);
    assert.equal(!verification.ok && verification.kind, 'unverifiable');
    assert.ok(!verification.ok && verification.cause instanceof Error);
  }
});

test('the keys are read once for many tokens', async () => {
  let reads = 0;
  const { verify: verifyAll } = jwt(auth, async (request) => {
    reads += 1;
    assert.equal(request.url, auth.keysUrl);
    return serving(request);
  });
  const authorization = `Bearer ${await token()}`;
  for (let count = 0; count < 3; count += 1) {
    const request = { url: '', header: () => authorization, body: new Uint8Array() };
    assert.deepEqual(await verifyAll(request, nowSeconds * 1000), { ok: true });
  }
  assert.equal(reads, 1);
});
