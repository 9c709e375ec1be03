import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { Secret } from '../../shared/secret.ts';
import { twilio } from './twilio.ts';

// The vectors of twilio/twilio-node, spec/validation.spec.js.
const called = 'https://mycompany.com/myapp.php?foo=1&bar=2';
const form = new URLSearchParams({
  To: '+18005551212',
  Digits: '1234',
  From: '+14158675309',
  CallSid: 'CA1234567890ABCDE',
  Caller: '+14158675309',
}).toString();
const json = '{"property": "value", "boolean": true}';
const jsonDigest = '0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620';
const mismatch = 'the signature does not match';

interface Sent {
  signature?: string | undefined;
  url?: string;
  body?: string;
  contentType?: string;
  publicUrl?: string;
}

async function verdict(sent: Sent): Promise<string> {
  const headers: Record<string, string | undefined> = {
    'x-twilio-signature': 'signature' in sent ? sent.signature : 'RSOYDt4T1cUTdK1PDd93/VVr8B8=',
    'content-type': sent.contentType ?? 'application/x-www-form-urlencoded; charset=UTF-8',
  };
  const { verify } = twilio({ kind: 'twilio', secrets: [new Secret('12345')], publicUrl: sent.publicUrl });
  const verification = await verify(
    { url: sent.url ?? called, header: (name) => headers[name], body: Buffer.from(sent.body ?? form) },
    0,
  );
  return verification.ok ? 'ok' : verification.detail;
}

test("Twilio's published form signature verifies, whatever the order of the fields", async () => {
  assert.equal(await verdict({}), 'ok');
  assert.equal(await verdict({ body: form.split('&').reverse().join('&') }), 'ok');
  assert.equal(await verdict({ body: `${form}&Extra=1` }), mismatch);
  assert.equal(await verdict({ url: 'https://mycompany.com/myapp.php?foo=1&bar=3' }), mismatch);
  assert.equal(await verdict({ signature: 'WRONG_SIGNATURE' }), mismatch);
  assert.equal(await verdict({ signature: undefined }), 'the signature is missing');
});

test('the port counts neither when Twilio signed without it nor when it signed with it', async () => {
  const http = called.replace('https', 'http');
  assert.equal(await verdict({ url: called.replace('.com', '.com:1234') }), 'ok');
  assert.equal(
    await verdict({ url: http.replace('.com', '.com:1234'), signature: 'Zmvh+3yNM1Phv2jhDCwEM3q5ebU=' }),
    'ok',
  );
  assert.equal(await verdict({ signature: 'kvajT1Ptam85bY51eRf/AJRuM3w=' }), 'ok');
  assert.equal(await verdict({ url: http, signature: '0ZXoZLH/DfblKGATFgpif+LLRf4=' }), 'ok');
});

test('special characters in the query are signed as they stand in the URL', async () => {
  const url = `${called}&Body=It's+amazing`;
  assert.equal(await verdict({ url, signature: 'dsq4Ehbj6cs+KdTkpF5sSSplOWw=' }), 'ok');
});

test('a field that comes several times is signed once for each value, in order', async () => {
  const signature = '83O6e2vORAoJHUNzJjDWN1jz+BA=';
  const [first, second] = [
    'MessagingBinding.Address=%2B1325xxxxxxx',
    'MessagingBinding.Address=%2B1415xxxxxxx',
  ];
  assert.equal(await verdict({ body: `${first}&${second}`, signature }), 'ok');
  assert.equal(await verdict({ body: `${second}&${first}`, signature }), 'ok');
  assert.equal(
    await verdict({
      body: 'Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234',
      signature: 'IK+Dwps556ElfBT0I3Rgjkr1wJU=',
    }),
    'ok',
  );
});

test('a JSON body is good when its digest stands in the signed URL', async () => {
  const sent = {
    url: `${called}&bodySHA256=${jsonDigest}`,
    signature: 'a9nBmqA0ju/hNViExpshrM61xv4=',
    contentType: 'application/json',
  };
  assert.equal(await verdict({ ...sent, body: json }), 'ok');
  assert.equal(await verdict({ ...sent, body: `${json} ` }), mismatch);
  assert.equal(
    await verdict({
      ...sent,
      body: json,
      url: `https://mycompany.com/myapp.php?bodySHA256=${jsonDigest}`,
      signature: 'y77kIzt2vzLz71DgmJGsen2scGs=',
    }),
    'ok',
  );
});

test('a body that no signature covers is refused, even when the URL is signed', async () => {
  const signature = createHmac('sha1', '12345').update(called).digest('base64');
  assert.equal(await verdict({ signature, body: '' }), 'ok');
  assert.equal(await verdict({ signature, body: json, contentType: 'application/json' }), mismatch);
  assert.equal(await verdict({ contentType: 'text/plain' }), mismatch, 'a form passed off as another type');
});

test('behind a gateway the URL that Twilio knows is configured; the query is the one that came', async () => {
  const url = 'http://10.0.0.4:8080/api/webhooks/twilio?foo=1&bar=2';
  assert.equal(await verdict({ url }), mismatch);
  assert.equal(await verdict({ url, publicUrl: 'https://mycompany.com/myapp.php' }), 'ok');
});
