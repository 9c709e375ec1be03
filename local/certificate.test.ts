import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Agent, request } from 'undici';
import { systemClock } from '../src/shared/clock.ts';
import { createManualClock } from '../test/support/manual-clock.ts';
import { ensureCertificate } from './certificate.ts';

const dayMs = 86_400_000;

async function temporaryDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-certificate-'));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
}

test('a client that trusts the certificate reaches localhost and both loopback addresses', async (t) => {
  const { key, cert } = await ensureCertificate({ dir: await temporaryDir(t), clock: systemClock });
  const server = createServer({ key, cert }, (_request, response) => response.end('hello'));
  await once(server.listen(0, '::'), 'listening');
  const { port } = server.address() as AddressInfo;
  const trusting = new Agent({ connect: { ca: cert } });
  t.after(async () => {
    await trusting.close();
    server.close();
  });

  for (const host of ['localhost', '127.0.0.1', '[::1]']) {
    const answer = await request(`https://${host}:${port}/`, { dispatcher: trusting });
    assert.equal(await answer.body.text(), 'hello', host);
  }
  await assert.rejects(request(`https://localhost:${port}/`), /self-signed certificate/);
});

test('the certificate may sign itself and serve, as OpenSSL asks of a trust anchor', async (t) => {
  const { cert } = await ensureCertificate({ dir: await temporaryDir(t), clock: systemClock });
  const parsed = new X509Certificate(cert);
  assert.equal(parsed.ca, true);
  assert.equal(parsed.verify(parsed.publicKey), true);
  assert.deepEqual(parsed.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  assert.equal(parsed.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1');
});

test('the same certificate is used again until it comes near its end', async (t) => {
  const dir = await temporaryDir(t);
  const clock = createManualClock();
  const first = await ensureCertificate({ dir, clock });

  await clock.advance(82 * dayMs);
  assert.equal((await ensureCertificate({ dir, clock })).cert, first.cert);

  await clock.advance(2 * dayMs);
  const renewed = await ensureCertificate({ dir, clock });
  assert.notEqual(renewed.cert, first.cert);
  assert.equal(new X509Certificate(renewed.cert).validToDate.getTime(), clock.now() + 90 * dayMs);
});

test('the private key can be read by its owner only', async (t) => {
  const { keyPath } = await ensureCertificate({ dir: await temporaryDir(t), clock: systemClock });
  assert.equal((await stat(keyPath)).mode & 0o777, 0o600);
});

test('a certificate that is damaged or belongs to a lost key is made anew', async (t) => {
  const dir = await temporaryDir(t);
  const first = await ensureCertificate({ dir, clock: systemClock });

  await rm(first.keyPath);
  const second = await ensureCertificate({ dir, clock: systemClock });
  assert.notEqual(second.key, first.key);
  assert.notEqual(second.cert, first.cert);

  await writeFile(first.certPath, 'not a certificate');
  const third = await ensureCertificate({ dir, clock: systemClock });
  assert.match(third.cert, /BEGIN CERTIFICATE/);
  assert.equal(third.key, second.key);
});

test('callers that start at the same time share one key and leave no other file', async (t) => {
  const dir = await temporaryDir(t);
  const made = await Promise.all(
    Array.from({ length: 8 }, () => ensureCertificate({ dir, clock: systemClock })),
  );
  assert.equal(new Set(made.map(({ key }) => key)).size, 1);
  assert.deepEqual((await readdir(dir)).toSorted(), ['localhost.cert.pem', 'localhost.key.pem']);
});
