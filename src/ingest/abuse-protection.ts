import type { AddressGuard } from '../shared/address-guard.ts';
import { type Answer, problemAnswer } from '../shared/answer.ts';
import { describeError } from '../shared/error.ts';
import type { HttpSend } from '../shared/http.ts';
import type { Log } from '../shared/log.ts';
import { problem } from './problem.ts';

/** Who may send here and how fast. */
export interface AbuseProtectionConfig {
  /** DNS names of sending systems, such as `eventgrid.azure.net`; `*` for all. */
  readonly allowedOrigins: readonly string[] | '*';
  /** Requests a minute that are consented to; without it no limit is named, and none enforced. */
  readonly ratePerMinute?: number | undefined;
  /**
   * Consent by calling the sender's callback URL, where it gives one, instead of in the answer. Off unless wanted:
   * it makes the bridge call an address that a stranger chose.
   */
  readonly callback?: boolean;
}

/** What the validation request carries: `WebHook-Request-Origin`, `-Callback` and `-Rate`. */
export interface Handshake {
  readonly origin: string | undefined;
  readonly callback: string | undefined;
  readonly rate: string | undefined;
}

/** The answer to a validation request and, once that is sent, the URL by which consent is still to be given. */
export interface HandshakeAnswer {
  readonly answer: Answer;
  readonly confirmUrl?: string;
}

/**
 * Answers the validation request of a sender (cloudevents/spec, http-webhook.md, section 4). The consent is the two
 * `webhook-allowed-` headers and nothing else; whoever gets it by callback gets no such headers.
 */
export function answerHandshake(
  {
    config,
    guard,
  }: { readonly config: AbuseProtectionConfig; readonly guard: Pick<AddressGuard, 'checkUrl'> },
  { origin, callback, rate }: Handshake,
): HandshakeAnswer {
  if (!origin) {
    return invalid('WebHook-Request-Origin is required: the DNS name of the sending system');
  }
  if (rate !== undefined && !/^0*[1-9]\d*$/.test(rate)) {
    return invalid('WebHook-Request-Rate must be a positive integer: requests a minute');
  }
  if (!isAllowed(origin, config.allowedOrigins)) {
    const detail = 'the origin in WebHook-Request-Origin is not among those allowed to send here';
    return { answer: problemAnswer(problem('origin-not-allowed', detail)) };
  }
  if (config.callback && callback !== undefined) {
    const refusal = guard.checkUrl(callback);
    if (refusal !== undefined) return invalid(`WebHook-Request-Callback cannot be called: ${refusal}`);
    return { answer: { status: 200, headers: allowPost, body: '' }, confirmUrl: callback };
  }
  const consent = {
    'webhook-allowed-origin': config.allowedOrigins === '*' ? '*' : origin,
    'webhook-allowed-rate': allowedRate(config),
  };
  return { answer: { status: 200, headers: { ...allowPost, ...consent }, body: '' } };
}

/** What confirming needs. */
export interface ConfirmOptions {
  /** Of a pool with an address guard: the URL is a stranger's. */
  readonly send: HttpSend;
  readonly report: Log;
  readonly timeoutMs: number;
}

/**
 * Gives the consent of a {@link HandshakeAnswer} by its callback URL, with one GET. Meant to run after the answer,
 * so it never rejects: how it went is in the log, without the URL, which holds the sender's secret.
 */
export async function confirmHandshake(
  { send, report, timeoutMs }: ConfirmOptions,
  config: AbuseProtectionConfig,
  confirmUrl: string,
): Promise<void> {
  const { host } = new URL(confirmUrl);
  try {
    const headers = { 'webhook-allowed-rate': allowedRate(config) };
    const { status } = await send({ method: 'GET', url: confirmUrl, headers, timeoutMs });
    if (status >= 200 && status < 300) report.info('handshake.confirmed', { host, status });
    else report.warn('handshake.unconfirmed', { host, status });
  } catch (error) {
    report.warn('handshake.unconfirmed', { host, error: describeError(error) });
  }
}

const allowPost = { allow: 'POST' };

/** Whether an origin is consented to. DNS names are compared without regard to case. */
export function isAllowed(origin: string, allowed: AbuseProtectionConfig['allowedOrigins']): boolean {
  return allowed === '*' || allowed.some((name) => name.toLowerCase() === origin.toLowerCase());
}

function allowedRate({ ratePerMinute }: AbuseProtectionConfig): string {
  return ratePerMinute === undefined ? '*' : String(ratePerMinute);
}

function invalid(detail: string): HandshakeAnswer {
  return { answer: problemAnswer(problem('invalid-handshake', detail)) };
}
