import { createHash } from 'node:crypto';
import { parseMediaType } from '../../events/media-type.ts';
import type { Secret } from '../../shared/secret.ts';
import { formType } from './content.ts';
import {
  type Delivery,
  type Description,
  type Provider,
  refused,
  type Verify,
  verified,
} from './provider.ts';
import { textAt } from './reading.ts';
import { createHmacCheck, equalDigests, textKeys } from './signature.ts';

/** `sources.<name>.auth` of kind `twilio`. */
export interface TwilioAuth {
  readonly kind: 'twilio';
  /** The URL as Twilio knows it, without a query, where a gateway in front of the bridge has another one. */
  readonly publicUrl?: string | undefined;
  readonly secrets: readonly Secret[];
}

/** Twilio (twilio.com/docs/usage/webhooks/webhooks-security). It signs no time, so there is no replay window. */
export function twilio(auth: TwilioAuth): Provider {
  return { verify: verifyTwilio(auth), describe, scheme: 'Signature' };
}

function verifyTwilio({ publicUrl, secrets }: TwilioAuth): Verify {
  const matches = createHmacCheck({ algorithm: 'sha1', encoding: 'base64', keys: textKeys(secrets) });
  return async (request) => {
    const signature = request.header('x-twilio-signature');
    if (signature === undefined) return refused.signatureMissing;
    const url = URL.parse(request.url);
    if (url === null) return refused.signatureMismatch;
    const parameters = signedParameters(url, request.header('content-type'), request.body);
    if (parameters === undefined) return refused.signatureMismatch;
    const called = publicUrl === undefined ? request.url : publicUrl + url.search;
    return spellingsOf(called).some((spelling) => matches([signature], [spelling, parameters]))
      ? verified
      : refused.signatureMismatch;
  };
}

/**
 * What is signed after the URL: the parameters of a form, sorted; nothing for another body, whose SHA-256 stands
 * in the signed URL instead. Undefined when no signature could cover the body.
 */
function signedParameters(url: URL, contentType: string | undefined, body: Uint8Array): string | undefined {
  const digest = url.searchParams.get('bodySHA256');
  if (digest !== null) {
    const expected = createHash('sha256').update(body).digest('hex');
    return equalDigests(digest.toLowerCase(), expected) ? '' : undefined;
  }
  if (body.length === 0) return '';
  if (parseMediaType(contentType).essence !== formType) return undefined;
  const form = new URLSearchParams(Buffer.from(body).toString('utf8'));
  return [...new Set(form.keys())]
    .sort()
    .flatMap((name) => [...new Set(form.getAll(name))].sort().map((value) => name + value))
    .join('');
}

/** Twilio signs the URL with its port or without; its own libraries try both (twilio-node, webhooks.ts). */
function spellingsOf(url: string): readonly string[] {
  const parsed = URL.parse(url);
  if (parsed === null) return [url];
  const port = parsed.port || (parsed.protocol === 'https:' ? '443' : '80');
  const rest = parsed.pathname + parsed.search;
  const base = `${parsed.protocol}//${parsed.hostname}`;
  return [...new Set([url, `${base}${rest}`, `${base}:${port}${rest}`])];
}

/**
 * A message or call reports several times under one SID, so the SID is the subject; only the token tells a
 * repeated delivery (twilio.com/docs/usage/webhooks/webhooks-connection-overrides).
 */
function describe({ header, data }: Delivery): Description {
  const message = textAt(data, 'MessageSid');
  const status =
    message === undefined
      ? textAt(data, 'CallStatus')
      : (textAt(data, 'MessageStatus') ?? textAt(data, 'SmsStatus'));
  return {
    id: header('i-twilio-idempotency-token'),
    type: status && `com.twilio.${message === undefined ? 'call' : 'message'}.${status}`,
    subject: message ?? textAt(data, 'CallSid'),
  };
}
