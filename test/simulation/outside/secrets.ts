import { createSecretKey } from 'node:crypto';

/** Every secret of a world that is not named below begins so, and nothing else holds it: no base64 does. */
const mark = 'hush-';
const signingText = 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

/** The client of the issuers of all endpoints. */
export const client = { id: 'bridge', secret: `${mark}client` };
/** How that client proves itself (RFC 6749, section 2.3.1). */
export const clientPair = Buffer.from(`${client.id}:${client.secret}`).toString('base64');
/** The key by which webhooks are signed, both ways, and how an operator writes it. */
export const signingKey = createSecretKey(Buffer.from(signingText, 'base64'));
export const signingSecret = `whsec_${signingText}`;

/** A token by which an instance proves itself to the proxy. */
export function proxyToken(instance: string, number: number): string {
  return `${mark}proxy-${instance}-${number}`;
}

/** Whether a token is one for the proxy. */
export function isProxyToken(token: string): boolean {
  return token.startsWith(`${mark}proxy-`);
}

/** A token by which a subscription proves itself to its endpoint. */
export function endpointToken(subscription: string, number: number): string {
  return `${mark}${subscription}-${number}`;
}

/** Whether a text or bytes hold any of these. */
export function holdsSecret(content: string | Uint8Array): boolean {
  const text =
    typeof content === 'string'
      ? content
      : Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  return [mark, signingText, clientPair].some((secret) => text.includes(secret));
}
