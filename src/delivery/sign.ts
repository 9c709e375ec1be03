import { createHmac } from 'node:crypto';

/** What is signed: Standard Webhooks, "Signature scheme". */
export interface SignedContent {
  readonly id: string;
  /** Seconds since the epoch, of the attempt. */
  readonly timestampSeconds: number;
  readonly body: string;
}

/**
 * The headers of a signed delivery (Standard Webhooks 1.0.0): the signature is the HMAC-SHA256 of
 * `id.timestamp.body`, once per secret, so that a receiver may hold the old or the new one while rotating.
 *
 * @param secrets `whsec_` and Base64; without any, the delivery carries no signature.
 */
export function webhookHeaders(content: SignedContent, secrets: readonly string[]): Record<string, string> {
  const headers = { 'webhook-id': content.id, 'webhook-timestamp': String(content.timestampSeconds) };
  if (secrets.length === 0) return headers;
  return { ...headers, 'webhook-signature': secrets.map((secret) => signature(content, secret)).join(' ') };
}

function signature(content: SignedContent, secret: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const signed = `${content.id}.${content.timestampSeconds}.${content.body}`;
  return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
}
