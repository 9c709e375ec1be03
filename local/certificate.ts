import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomUUID,
  X509Certificate,
} from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import type { Clock } from '../src/shared/clock.ts';

/** A certificate for this machine's loopback names, and its private key, both as PEM text and as files. */
export interface LocalCertificate {
  readonly key: string;
  readonly cert: string;
  readonly keyPath: string;
  /** What a client trusts: `NODE_EXTRA_CA_CERTS`, undici's `connect.ca`, `curl --cacert`, `REQUESTS_CA_BUNDLE`. */
  readonly certPath: string;
}

const validDays = 90;
const renewBeforeExpiryDays = 7;
const dayMs = 86_400_000;

/**
 * Returns the certificate kept in `dir` for `localhost`, `127.0.0.1` and `::1`, making it when there is none, when
 * it cannot be used, or when it expires within 7 days. It is its own trust anchor (RFC 5280, 4.2.1.3 and 4.2.1.9).
 *
 * The key is made once and every certificate is made from it, so of several processes that start at the same time
 * none can leave a certificate behind that does not fit the key.
 */
export async function ensureCertificate(options: {
  readonly dir: string;
  readonly clock: Clock;
}): Promise<LocalCertificate> {
  const { dir, clock } = options;
  const keyPath = join(dir, 'localhost.key.pem');
  const certPath = join(dir, 'localhost.cert.pem');
  await mkdir(dir, { recursive: true });

  const key = (await readIfPresent(keyPath)) ?? (await keepNewKey(keyPath));
  const kept = await readIfPresent(certPath);
  if (kept !== undefined && isUsable(kept, key, clock.now())) return { key, cert: kept, keyPath, certPath };

  const cert = await makeCertificate(key, clock.now());
  const temporaryPath = `${certPath}.${randomUUID()}`;
  await writeFile(temporaryPath, cert);
  await rename(temporaryPath, certPath);
  return { key, cert, keyPath, certPath };
}

/** Writes a new private key unless another process was faster, and returns the one that is there. */
async function keepNewKey(keyPath: string): Promise<string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const temporaryPath = `${keyPath}.${randomUUID()}`;
  await writeFile(temporaryPath, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  try {
    // Unlike a rename, a link never replaces a file that is already there.
    await link(temporaryPath, keyPath);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    await rm(temporaryPath);
  }
  return readFile(keyPath, 'utf8');
}

function isUsable(cert: string, key: string, nowMs: number): boolean {
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(cert);
  } catch {
    return false; // Not a certificate: a damaged file is replaced like an expired one.
  }
  const renewAtMs = parsed.validToDate.getTime() - renewBeforeExpiryDays * dayMs;
  return parsed.checkPrivateKey(createPrivateKey(key)) && nowMs < renewAtMs;
}

async function makeCertificate(privateKey: string, nowMs: number): Promise<string> {
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
  const { cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    keyPair: { privateKey, publicKey },
    notBeforeDate: new Date(nowMs),
    notAfterDate: new Date(nowMs + validDays * dayMs),
    extensions: [
      { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  });
  return cert;
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
