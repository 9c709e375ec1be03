import type { Answer } from '../../shared/answer.ts';

/** A webhook as it came in, before anything of it is believed. */
export interface WebhookRequest {
  /** The URL as the sender called it, with its query: some providers sign it. */
  readonly url: string;
  /** A header's value, whatever the case of its name. */
  header(name: string): string | undefined;
  /** The raw bytes; signatures are made over these, never over what was parsed from them. */
  readonly body: Uint8Array;
}

/**
 * Whether a request is from whom it says. `unverified` is the sender's fault; `unverifiable` is ours or the
 * issuer's (keys that cannot be read), and then sending again helps. `detail` may be shown to a stranger;
 * `cause` is for the log only.
 */
export type Verification =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly kind: 'unverified' | 'unverifiable';
      readonly detail: string;
      readonly cause?: unknown;
    };

/** Verifies a request at a time, in milliseconds since the epoch. It does not throw. */
export type Verify = (request: WebhookRequest, nowMs: number) => Promise<Verification>;

/** What a verified delivery says of itself; it becomes attributes of the event. */
export interface Description {
  readonly id?: string | undefined;
  readonly type?: string | undefined;
  readonly time?: string | undefined;
  readonly subject?: string | undefined;
}

/** A verified delivery; `data` is the parsed JSON or the fields of a form, undefined for anything else. */
export interface Delivery {
  header(name: string): string | undefined;
  readonly data: unknown;
}

/** What the bridge knows of one way of sending webhooks. */
export interface Provider {
  readonly verify: Verify;
  readonly describe?: (delivery: Delivery) => Description;
  /** The answer to a request that is a handshake and no event. */
  readonly handshake?: (delivery: Delivery) => Answer | undefined;
  /** The field in which this provider's form bodies carry their JSON. */
  readonly payloadField?: string;
  /** The scheme that a 401 asks for in `WWW-Authenticate` (RFC 9110, section 11.6.1). */
  readonly scheme: 'Signature' | 'ApiKey' | 'Basic' | 'Bearer';
}

/** The request is from whom it says. */
export const verified: Verification = { ok: true };

/** Everything that a refused sender is told: enough to find a mistake, nothing that helps to guess. */
export const refused = {
  signatureMissing: unverified('the signature is missing'),
  signatureMismatch: unverified('the signature does not match'),
  credentialsMissing: unverified('the credentials are missing'),
  credentialsMismatch: unverified('the credentials do not match'),
  outsideWindow: unverified('the timestamp is outside the window'),
} as const;

function unverified(detail: string): Verification {
  return { ok: false, kind: 'unverified', detail };
}
