import { createHmac, createPrivateKey, createSecretKey, sign as signBytes } from 'node:crypto';
import type { Secret } from '../shared/secret.ts';

/** What is signed: Standard Webhooks, "Signature scheme". */
export interface SignedContent {
  /** Holds no dot. */
  readonly id: string;
  /** Seconds since the epoch, of the attempt. */
  readonly timestampSeconds: number;
  readonly body: string | Uint8Array;
}

/** Makes the value of `webhook-signature`. */
export type Sign = (content: SignedContent) => string;

/**
 * Signs by Standard Webhooks 1.0.0: `id.timestamp.body`, once per secret, so that a receiver may hold the old or the
 * new one while they rotate. `whsec_` and Base64: HMAC-SHA256 (`v1`); `whsk_` and the Base64 of an ed25519 private
 * key, its seed first: a signature that a public key verifies (`v1a`).
 *
 * @returns undefined without any secret: the delivery carries no signature.
 */
export function createSign(secrets: readonly Secret[]): Sign | undefined {
  const signers = secrets.map((secret) => {
    const [kind, base64 = ''] = secret.reveal().split('_');
    const bytes = Buffer.from(base64, 'base64');
    return kind === 'whsk' ? privateSigner(bytes) : sharedSigner(bytes);
  });
  const [only] = signers;
  if (only === undefined) return undefined;
  return signers.length === 1 ? only : (content) => signers.map((signer) => signer(content)).join(' ');
}

function sharedSigner(bytes: Buffer): Sign {
  const key = createSecretKey(bytes);
  return ({ id, timestampSeconds, body }) => {
    const hmac = createHmac('sha256', key).update(`${id}.${timestampSeconds}.`).update(body);
    return `v1,${hmac.digest('base64')}`;
  };
}

/** What stands before the seed of an ed25519 private key in PKCS #8 (RFC 8410, section 7). */
const pkcs8Start = Buffer.from('302e020100300506032b657004220420', 'hex');
const seedBytes = 32;

function privateSigner(bytes: Buffer): Sign {
  const key = createPrivateKey({
    key: Buffer.concat([pkcs8Start, bytes.subarray(0, seedBytes)]),
    format: 'der',
    type: 'pkcs8',
  });
  return ({ id, timestampSeconds, body }) => {
    const content = Buffer.concat([Buffer.from(`${id}.${timestampSeconds}.`), Buffer.from(body)]);
    return `v1a,${signBytes(null, content, key).toString('base64')}`;
  };
}
