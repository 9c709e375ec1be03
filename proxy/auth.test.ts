import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { ensureCertificate } from '../local/certificate.ts';
import { systemClock } from '../src/shared/clock.ts';
import { createManualClock } from '../test/support/manual-clock.ts';
import { createAuthenticator, defaultAudience } from './auth.ts';
import { RestError } from './rest-error.ts';
import { openTestProxy } from './test-proxy.ts';

const groupId = '11111111-2222-3333-4444-555555555555';

/** An issuer with one signing key, that counts how often its keys are asked for. */
async function openIssuer(t: TestContext, tls?: { key: string; cert: string }) {
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
  const clock = createManualClock();
  const counts = { keyRequests: 0, discoveriesToFail: 0 };
  const serve: RequestListener = (request, response) => {
    if (counts.discoveriesToFail > 0) {
      counts.discoveriesToFail--;
      response.writeHead(502).end();
    } else if (request.url === '/tenant/v2.0/.well-known/openid-configuration') {
      response.end(JSON.stringify({ jwks_uri: `${origin()}/keys` }));
    } else {
      counts.keyRequests++;
      response.end(JSON.stringify({ keys: [jwk] }));
    }
  };
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const origin = () => {
    const address = server.address();
    return `http${tls === undefined ? '' : 's'}://localhost:${typeof address === 'object' && address !== null ? address.port : 0}`;
  };
  t.after(() => server.close());

  const issuer = `${origin()}/tenant/v2.0`;
  const token = (claims: Record<string, unknown> = {}, key = privateKey) => {
    const seconds = Math.floor(clock.now() / 1000);
    const payload: Record<string, unknown> = {
      iss: issuer,
      aud: defaultAudience,
      exp: seconds + 3600,
      groups: [groupId],
      ...claims,
    };
    return new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(key);
  };
  return { issuer, clock, counts, token, server };
}

async function openAuthenticator(t: TestContext) {
  const opened = await openIssuer(t);
  const authenticator = createAuthenticator({ issuer: opened.issuer, groupId }, opened.clock);
  t.after(() => authenticator.close());
  const check = async (claims: Record<string, unknown> = {}) =>
    authenticator.check(`Bearer ${await opened.token(claims)}`);
  return { ...opened, authenticator, check };
}

const refusal = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof RestError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

test('a call needs the token of a member, and 401 and 403 are told apart over HTTP', async (t) => {
  const { issuer, token, clock } = await openIssuer(t);
  await using proxy = await openTestProxy({ auth: { issuer, groupId }, clock });
  const call = (authorization?: string) =>
    proxy.call('GET', '/v1/metadata/topics', undefined, authorization === undefined ? {} : { authorization });
  assert.equal((await call(`Bearer ${await token()}`)).status, 200);
  assert.equal((await call(`bearer ${await token()}`)).status, 200);
  for (const bad of [
    undefined,
    'Basic YTpi',
    'Bearer',
    'Bearer not.a.token',
    `Bearer ${await token({ exp: 1 })}`,
  ]) {
    const { status, headers, json } = await call(bad);
    assert.equal(status, 401, bad);
    assert.equal(headers.get('www-authenticate'), 'Bearer');
    assert.equal((json as { error_code: number }).error_code, 401);
  }
  const stranger = await call(`Bearer ${await token({ groups: ['another'] })}`);
  assert.equal(stranger.status, 403);
  assert.equal((await proxy.call('GET', '/openapi.json')).status, 200);
});

test('tokens for something else, of someone else or of another time are refused', async (t) => {
  const { check, clock } = await openAuthenticator(t);
  const now = Math.floor(clock.now() / 1000);
  await check({ aud: `${defaultAudience}/` });
  await assert.rejects(check({ aud: 'https://example.org' }), refusal('unauthenticated', /"aud"/));
  await assert.rejects(check({ iss: 'https://example.org' }), refusal('unauthenticated', /"iss"/));
  await assert.rejects(check({ exp: now - 1 }), refusal('unauthenticated', /"exp"/));
  await assert.rejects(check({ exp: undefined }), refusal('unauthenticated', /"exp"/));
  await assert.rejects(check({ nbf: now + 60 }), refusal('unauthenticated', /"nbf"/));
  for (const groups of [undefined, groupId, []]) {
    await assert.rejects(check({ groups }), refusal('not_a_member', /groups/));
  }
});

test('a token signed by another key, or by none, is refused', async (t) => {
  const { authenticator, token, issuer } = await openAuthenticator(t);
  const { privateKey } = await generateKeyPair('RS256');
  const forged = `Bearer ${await token({}, privateKey)}`;
  await assert.rejects(authenticator.check(forged), refusal('unauthenticated', /signature/));
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: issuer, aud: defaultAudience, exp: 9_999_999_999, groups: [groupId] };
  const unsigned = `Bearer ${encode({ alg: 'none' })}.${encode(claims)}.`;
  await assert.rejects(authenticator.check(unsigned), refusal('unauthenticated', /not valid/));
});

test('a token that was good is not good after it has expired', async (t) => {
  const { authenticator, token, clock } = await openAuthenticator(t);
  const authorization = `Bearer ${await token({ exp: Math.floor(clock.now() / 1000) + 30 })}`;
  await authenticator.check(authorization);
  await clock.advance(29_000);
  await authenticator.check(authorization);
  await clock.advance(1_000);
  await assert.rejects(authenticator.check(authorization), refusal('unauthenticated', /"exp"/));
});

test('the keys are fetched once for many tokens', async (t) => {
  const { check, counts } = await openAuthenticator(t);
  for (const sub of ['a', 'b', 'c']) await check({ sub });
  assert.equal(counts.keyRequests, 1);
});

test('an issuer that cannot be reached is not the fault of the token', async (t) => {
  const { authenticator, token, server } = await openAuthenticator(t);
  const authorization = `Bearer ${await token()}`;
  server.close();
  server.closeAllConnections();
  await assert.rejects(
    authenticator.check(authorization),
    refusal('issuer_unreachable', /keys cannot be had: (?!.*fetch failed)/),
  );
});

test('an issuer that has come back is asked again', async (t) => {
  const { check, counts } = await openAuthenticator(t);
  counts.discoveriesToFail = 1;
  await assert.rejects(check(), refusal('issuer_unreachable', /answered 502/));
  await check();
});

test("an issuer's own certificate authority is trusted only when it is given", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'proxy-auth-'));
  t.after(() => rm(dir, { recursive: true }));
  const { key, cert } = await ensureCertificate({ dir, clock: systemClock });
  const { issuer, clock, token } = await openIssuer(t, { key, cert });
  const authorization = `Bearer ${await token()}`;
  const trusting = createAuthenticator({ issuer, groupId, issuerCa: cert }, clock);
  await trusting.check(authorization);
  await trusting.close();
  const doubting = createAuthenticator({ issuer, groupId }, clock);
  const refused = refusal('issuer_unreachable', /keys cannot be had: .*self-signed certificate/);
  await assert.rejects(doubting.check(authorization), refused);
  await doubting.close();
});
