import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { ConfidentialClientApplication } from '@azure/msal-node';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { systemClock } from '../src/shared/clock.ts';
import { ensureCertificate } from './certificate.ts';
import { type RunningTokenIssuer, startTokenIssuer } from './token-issuer.ts';

const tenantId = '72f988bf-86f1-41af-91ab-2d7cd011db47';
const clientId = '11111111-2222-3333-4444-555555555555';
const clientSecret = 'correct+horse:battery%staple';
const groups = ['aaaaaaaa-0000-0000-0000-000000000001'];
const scope = 'https://hib.azurehdinsight.net/.default';
const nowMs = Date.now();

let issuer: RunningTokenIssuer;
let dir: string;
const systemCertificates = tls.getCACertificates();

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-issuer-'));
  const certificate = await ensureCertificate({ dir, clock: systemClock });
  tls.setDefaultCACertificates([...systemCertificates, certificate.cert]);
  issuer = await startTokenIssuer({
    port: 0,
    tls: certificate,
    tenantId,
    clients: [{ clientId, clientSecret, groups }],
    clock: { ...systemClock, now: () => nowMs },
  });
});

after(async () => {
  await issuer.close();
  await issuer.close();
  tls.setDefaultCACertificates(systemCertificates);
  await rm(dir, { recursive: true });
});

function msalClient(credentials: { clientId: string; clientSecret: string }) {
  return new ConfidentialClientApplication({
    auth: { ...credentials, authority: issuer.authority, knownAuthorities: [new URL(issuer.url).host] },
  });
}

/** What `curl -d 'a=b&...' TOKEN_URL` sends. */
function postForm(form: Record<string, string> | string, headers: Record<string, string> = {}) {
  return fetch(`${issuer.authority}/oauth2/v2.0/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(form).toString(),
  });
}

async function refusal(answer: Response) {
  const body = (await answer.json()) as { error: string; error_description: string };
  assert.match(body.error_description, /\w/);
  return { status: answer.status, error: body.error };
}

test('MSAL gets a token that verifies against the discovered keys', async () => {
  const result = await msalClient({ clientId, clientSecret }).acquireTokenByClientCredential({
    scopes: [scope],
  });
  assert.ok(result);
  const document = (await (await fetch(`${issuer.issuer}/.well-known/openid-configuration`)).json()) as {
    issuer: string;
    jwks_uri: string;
  };
  assert.equal(document.issuer, issuer.issuer);

  const keys = createRemoteJWKSet(new URL(document.jwks_uri));
  const { payload } = await jwtVerify(result.accessToken, keys, {
    issuer: issuer.issuer,
    audience: 'https://hib.azurehdinsight.net',
    currentDate: new Date(nowMs),
  });
  const issuedAt = Math.floor(nowMs / 1000);
  assert.deepEqual(payload, {
    iss: issuer.issuer,
    aud: 'https://hib.azurehdinsight.net',
    tid: tenantId,
    appid: clientId,
    azp: clientId,
    oid: clientId,
    sub: clientId,
    groups,
    ver: '2.0',
    iat: issuedAt,
    nbf: issuedAt,
    exp: issuedAt + 3_600,
  });
});

test('MSAL is refused with a wrong secret and as an unknown application', async () => {
  await assert.rejects(
    msalClient({ clientId, clientSecret: 'wrong' }).acquireTokenByClientCredential({ scopes: [scope] }),
    { errorCode: 'invalid_client' },
  );
  await assert.rejects(
    msalClient({ clientId: 'stranger', clientSecret }).acquireTokenByClientCredential({ scopes: [scope] }),
    { errorCode: 'unauthorized_client' },
  );
});

test('a plain form post gets a bearer token, and only tokens count as issued', async () => {
  const before = issuer.issued();
  const answer = await postForm({
    client_id: clientId,
    client_secret: clientSecret,
    grant_type: 'client_credentials',
    scope,
  });
  assert.equal(answer.status, 200);
  const body = (await answer.json()) as Record<string, unknown>;
  assert.equal(body.token_type, 'Bearer');
  assert.equal(body.expires_in, 3_600);
  await postForm({ grant_type: 'client_credentials' });
  assert.equal(issuer.issued(), before + 1);
});

test('client id and secret may come as HTTP Basic, form-encoded', async () => {
  const form = { grant_type: 'client_credentials', scope };
  const basic = (secret: string) => {
    const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`;
    return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
  };
  assert.equal((await postForm(form, basic(clientSecret))).status, 200);
  assert.deepEqual(await refusal(await postForm(form, basic('wrong'))), {
    status: 401,
    error: 'invalid_client',
  });
});

test('what Entra refuses is refused with its status and error code', async () => {
  const good = { client_id: clientId, client_secret: clientSecret, grant_type: 'client_credentials', scope };
  const cases: [Record<string, string> | string, number, string][] = [
    [{ ...good, client_secret: 'wrong' }, 401, 'invalid_client'],
    [{ ...good, client_secret: '' }, 401, 'invalid_client'],
    [{ ...good, client_id: 'stranger' }, 400, 'unauthorized_client'],
    [{ ...good, scope: 'https://hib.azurehdinsight.net/user_impersonation' }, 400, 'invalid_scope'],
    [{ ...good, scope: '/.default' }, 400, 'invalid_scope'],
    [{ ...good, scope: `${scope} ${scope}` }, 400, 'invalid_scope'],
    [{ ...good, grant_type: 'password' }, 400, 'unsupported_grant_type'],
    ['', 400, 'invalid_request'],
    ['x'.repeat(20_000), 413, 'invalid_request'],
  ];
  for (const [form, status, error] of cases) {
    assert.deepEqual(
      await refusal(await postForm(form)),
      { status, error },
      JSON.stringify(form).slice(0, 200),
    );
  }
});

test('another tenant and any other path are not found', async () => {
  for (const path of ['/other/v2.0/.well-known/openid-configuration', '/token', '/authorize']) {
    assert.deepEqual(
      await refusal(await fetch(issuer.url + path)),
      { status: 404, error: 'invalid_request' },
      path,
    );
  }
});
