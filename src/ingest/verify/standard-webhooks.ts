import { createPublicKey, createSecretKey, type KeyObject, verify } from 'node:crypto';
import type { Secret } from '../../shared/secret.ts';
import { type Provider, refused, type Verify, verified, type WebhookRequest } from './provider.ts';
import { textAt } from './reading.ts';
import { createHmacCheck, isWithinWindow, signaturesMax } from './signature.ts';

/** Each secret is a shared one, `whsec_` and Base64, or a public key, `whpk_` and the Base64 of 32 bytes. */
export interface StandardWebhooksAuth {
  readonly kind: 'standardWebhooks';
  readonly toleranceSeconds: number;
  readonly secrets: readonly Secret[];
}

/** Standard Webhooks 1.0.0 (standard-webhooks/standard-webhooks, spec/standard-webhooks.md), and Svix. */
export function standardWebhooks(auth: StandardWebhooksAuth): Provider {
  return {
    verify: verifyStandardWebhooks(auth),
    describe: ({ header, data }) => ({
      id: header('webhook-id') ?? header('svix-id'),
      type: textAt(data, 'type'),
      time: textAt(data, 'timestamp'),
    }),
    scheme: 'Signature',
  };
}

function verifyStandardWebhooks({ secrets, toleranceSeconds }: StandardWebhooksAuth): Verify {
  const matchesHmac = createHmacCheck({
    algorithm: 'sha256',
    encoding: 'base64',
    keys: bytesAfter('whsec_', secrets).map((bytes) => createSecretKey(bytes)),
  });
  const publicKeys = bytesAfter('whpk_', secrets).map(publicKeyOf);
  return async (request, nowMs) => {
    const headers = headersOf(request, 'webhook') ?? headersOf(request, 'svix');
    if (headers === undefined) return refused.signatureMissing;
    const { id, timestamp, signatures } = headers;
    if (!isWithinWindow(timestamp, toleranceSeconds, nowMs)) return refused.outsideWindow;
    const start = `${id}.${timestamp}.`;
    const matches =
      matchesHmac(signaturesOf('v1,', signatures), [start, request.body]) ||
      signaturesOf('v1a,', signatures).some((signature) => {
        const signed = Buffer.concat([Buffer.from(start), request.body]);
        return publicKeys.some((key) => verify(null, signed, key, Buffer.from(signature, 'base64')));
      });
    return matches ? verified : refused.signatureMismatch;
  };
}

function headersOf(request: WebhookRequest, family: 'webhook' | 'svix') {
  const id = request.header(`${family}-id`);
  const timestamp = request.header(`${family}-timestamp`);
  const signatures = request.header(`${family}-signature`);
  return id && timestamp && signatures ? { id, timestamp, signatures } : undefined;
}

function signaturesOf(version: string, header: string): readonly string[] {
  return header
    .split(' ', signaturesMax)
    .filter((signature) => signature.startsWith(version))
    .map((signature) => signature.slice(version.length));
}

function bytesAfter(prefix: string, secrets: readonly Secret[]): readonly Buffer[] {
  return secrets
    .map((secret) => secret.reveal())
    .filter((text) => text.startsWith(prefix))
    .map((text) => Buffer.from(text.slice(prefix.length), 'base64'));
}

function publicKeyOf(bytes: Buffer): KeyObject {
  return createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') },
    format: 'jwk',
  });
}
