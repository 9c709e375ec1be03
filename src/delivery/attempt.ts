import { structuredContentType } from '../events/cloud-event.ts';
import { type TopicRecord, webhookIdOf } from '../events/record.ts';
import type { Clock } from '../shared/clock.ts';
import { HttpError, type HttpSend } from '../shared/http.ts';
import type { Secret } from '../shared/secret.ts';
import { structuredBody } from './body.ts';
import { webhookHeaders } from './sign.ts';

/** Where records go. */
export interface Endpoint {
  readonly url: string;
  readonly signingSecrets: readonly Secret[];
  /** The longest wait for one answer, in milliseconds. */
  readonly timeoutMs: number;
}

/** What one HTTP call came to. */
export type AttemptOutcome =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly retryAfter: string | undefined;
      readonly latencyMs: number;
    }
  | { readonly kind: 'unanswered'; readonly reason: string; readonly latencyMs: number };

/**
 * One HTTP call that posts one record to an endpoint, as a structured CloudEvent signed by Standard Webhooks.
 * Whatever happens on the wire is an outcome, not an exception.
 */
export async function attemptDelivery(
  { send, clock }: { readonly send: HttpSend; readonly clock: Clock },
  endpoint: Endpoint,
  record: TopicRecord,
): Promise<AttemptOutcome> {
  const startedAtMs = clock.now();
  const body = structuredBody(record);
  const signed = { id: webhookIdOf(record), timestampSeconds: Math.floor(startedAtMs / 1000), body };
  try {
    const answer = await send({
      method: 'POST',
      url: endpoint.url,
      headers: {
        'content-type': `${structuredContentType}; charset=utf-8`,
        'user-agent': 'sluice',
        ...webhookHeaders(
          signed,
          endpoint.signingSecrets.map((secret) => secret.reveal()),
        ),
      },
      body,
      timeoutMs: endpoint.timeoutMs,
    });
    return {
      kind: 'answered',
      status: answer.status,
      retryAfter: answer.headers['retry-after'],
      latencyMs: clock.now() - startedAtMs,
    };
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return { kind: 'unanswered', reason: error.message, latencyMs: clock.now() - startedAtMs };
  }
}
