import { SluiceError } from '../shared/error.ts';
import type { HttpSend } from '../shared/http.ts';

/** How the bridge asks a receiver for consent. */
export interface HandshakeConfig {
  /** The DNS name by which the bridge is known. */
  readonly origin: string;
  /** How many deliveries a minute are asked for; no number is named without it. */
  readonly ratePerMinute?: number | undefined;
}

/** What a receiver has consented to. */
export interface Consent {
  /** Deliveries a minute; undefined where the receiver sets no limit. */
  readonly ratePerMinute: number | undefined;
}

/** The receiver did not consent to deliveries. */
export class ConsentError extends SluiceError {
  constructor(message: string) {
    super({ code: 'delivery.no-consent', message, retryable: true });
  }
}

/**
 * Asks a receiver for its consent (cloudevents/spec 1.0.2, http-webhook.md, section 4). Only the header
 * `WebHook-Allowed-Origin` is consent; the status says nothing.
 *
 * @throws {ConsentError} when the receiver does not consent. @throws {HttpError} when no answer came.
 */
export async function askConsent(
  { origin, ratePerMinute }: HandshakeConfig,
  request: {
    readonly send: HttpSend;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly timeoutMs: number;
  },
): Promise<Consent> {
  const { send, url, timeoutMs } = request;
  const headers: Record<string, string> = { ...request.headers, 'webhook-request-origin': origin };
  if (ratePerMinute !== undefined) headers['webhook-request-rate'] = String(ratePerMinute);
  const answer = await send({ method: 'OPTIONS', url, headers, timeoutMs });
  const allowed = answer.headers['webhook-allowed-origin']?.trim();
  if (allowed !== '*' && allowed?.toLowerCase() !== origin.toLowerCase()) {
    throw new ConsentError(
      `the receiver does not allow deliveries from ${origin}: its answer to OPTIONS (${answer.status}) ${
        allowed === undefined ? 'has no WebHook-Allowed-Origin' : 'allows another origin'
      }`,
    );
  }
  const rate = answer.headers['webhook-allowed-rate']?.trim() ?? '*';
  return { ratePerMinute: /^0*[1-9]\d{0,8}$/.test(rate) ? Number(rate) : undefined };
}
