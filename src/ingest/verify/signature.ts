import { createHash, createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../../shared/secret.ts';

/** The hash of an HMAC. */
export type HmacAlgorithm = 'sha1' | 'sha256' | 'sha512';
/** How a digest is written as text. */
export type DigestEncoding = 'hex' | 'base64';

/** Signatures of one request that are looked at; a rotation needs two or three. */
export const signaturesMax = 16;

/** HMAC keys that are the secrets' own text, as most providers use them. */
export function textKeys(secrets: readonly Secret[]): readonly KeyObject[] {
  return secrets.map((secret) => createSecretKey(secret.reveal(), 'utf8'));
}

/**
 * A check whether any of the presented signatures is the HMAC of the signed parts, one after the other, under any
 * of the keys.
 */
export function createHmacCheck(scheme: {
  readonly algorithm: HmacAlgorithm;
  readonly encoding: DigestEncoding;
  readonly keys: readonly KeyObject[];
}): (presented: readonly string[], signed: readonly (string | Uint8Array)[]) => boolean {
  const { algorithm, encoding, keys } = scheme;
  return (presented, signed) => {
    const signatures = presented
      .slice(0, signaturesMax)
      .map((signature) => (encoding === 'hex' ? signature.toLowerCase() : signature));
    return keys.some((key) => {
      const hmac = createHmac(algorithm, key);
      for (const part of signed) hmac.update(part);
      const expected = hmac.digest(encoding);
      return signatures.some((signature) => equalDigests(signature, expected));
    });
  };
}

/** Compares two encoded digests in constant time; their length is no secret. */
export function equalDigests(presented: string, expected: string): boolean {
  const [left, right] = [Buffer.from(presented), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** A check whether a text is one of the secrets, in a time that tells neither which nor how much of it fits. */
export function createSecretCheck(secrets: readonly string[]): (presented: string) => boolean {
  const digests = secrets.map(sha256);
  return (presented) => {
    const digest = sha256(presented);
    return digests.map((expected) => timingSafeEqual(digest, expected)).includes(true);
  };
}

/** Whether a timestamp, in whole seconds since the epoch, is within the window around now, past or future. */
export function isWithinWindow(timestamp: string, toleranceSeconds: number, nowMs: number): boolean {
  if (!/^\d{1,12}$/.test(timestamp)) return false;
  return Math.abs(Math.floor(nowMs / 1000) - Number(timestamp)) <= toleranceSeconds;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
