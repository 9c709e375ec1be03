import type { Secret } from '../../shared/secret.ts';
import { type Provider, refused, type Verify, verified } from './provider.ts';
import {
  createHmacCheck,
  type DigestEncoding,
  type HmacAlgorithm,
  isWithinWindow,
  textKeys,
} from './signature.ts';

/** A signature that is one HMAC in one header. */
export interface HmacScheme {
  readonly header: string;
  readonly algorithm: HmacAlgorithm;
  readonly encoding: DigestEncoding;
  /** Stands before the digest in the header, such as `sha256=`. */
  readonly prefix: string;
  /** What is signed: `{body}` once, and `{timestamp}` where there is one. */
  readonly signed: string;
  /** The header that carries the time of signing, in seconds since the epoch. */
  readonly timestamp?: { readonly header: string; readonly toleranceSeconds: number } | undefined;
  readonly secrets: readonly Secret[];
}

/** `sources.<name>.auth` of kind `hmac`. */
export interface HmacAuth extends HmacScheme {
  readonly kind: 'hmac';
}

/** Whoever signs with an HMAC in a way of their own. */
export function hmac(auth: HmacAuth): Provider {
  return { verify: verifyHmac(auth), scheme: 'Signature' };
}

/** Verifies any signature that a {@link HmacScheme} can describe. */
export function verifyHmac(scheme: HmacScheme): Verify {
  const { header, prefix, timestamp } = scheme;
  const matches = createHmacCheck({ ...scheme, keys: textKeys(scheme.secrets) });
  const [before = '', after = ''] = scheme.signed.split('{body}');
  return async (request, nowMs) => {
    const signature = request.header(header);
    const signedAt = timestamp === undefined ? '' : request.header(timestamp.header);
    if (signature === undefined || signedAt === undefined) return refused.signatureMissing;
    if (timestamp !== undefined && !isWithinWindow(signedAt, timestamp.toleranceSeconds, nowMs)) {
      return refused.outsideWindow;
    }
    const signed = [
      before.replaceAll('{timestamp}', signedAt),
      request.body,
      after.replaceAll('{timestamp}', signedAt),
    ];
    return signature.startsWith(prefix) && matches([signature.slice(prefix.length)], signed)
      ? verified
      : refused.signatureMismatch;
  };
}
