import { retryAfterMs } from '../shared/backoff.ts';
import type { Random } from '../shared/clock.ts';

/** What follows from one attempt. */
export type Verdict =
  | { readonly kind: 'done' }
  | {
      readonly kind: 'retry';
      /** No attempt of these records before this (milliseconds since the epoch). */
      readonly atMs: number;
      readonly error: string;
      readonly endpoint: EndpointFault;
      /** The receiver asks to leave the whole endpoint alone until this (milliseconds since the epoch). */
      readonly waitUntilMs?: number;
    }
  /** Given up: refused often enough, or the schedule is exhausted. */
  | {
      readonly kind: 'dead-letter';
      readonly reason: { readonly code: DeadLetterCode; readonly message: string };
      readonly endpoint: EndpointFault;
      /** As in a retry: that these records get no further attempt does not spare the endpoint the next ones. */
      readonly waitUntilMs?: number;
    }
  /** Two records or more were refused together: halve them, and try the halves at once. */
  | { readonly kind: 'split'; readonly error: string; readonly endpoint: EndpointFault }
  /** The receiver is gone for good: no delivery until an operator resumes. The records are not finished. */
  | { readonly kind: 'disable'; readonly error: string };

/** What a failed attempt says of the endpoint: only `failing` counts for its circuit breaker. */
export type EndpointFault = 'failing' | 'refusing';

/**
 * `refused`: the receiver does not want the record. `exhausted`: it failed as often as the schedule allows. `broken`:
 * a defect here kept every attempt from being made.
 */
export type DeadLetterCode = 'delivery.refused' | 'delivery.exhausted' | 'delivery.broken';

/** What one attempt came to. */
export type AttemptOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly retryAfter: string | undefined }
  | { readonly kind: 'unanswered'; readonly reason: string };

/** When a failed record is tried again, and when it is given up. */
export interface RetryPolicy {
  /** The wait after the first failure, the second, and so on; after one more failure the record is given up. */
  readonly delaysMs: readonly number[];
  /** A record that is refused is given up once it failed this often. */
  readonly refusedAttemptsMax: number;
}

type Meaning = 'done' | 'failing' | 'overloaded' | 'refused' | 'barred' | 'gone';

/**
 * What a status means: the first row that holds it. Standard Webhooks, "Deliverability and reliability": only 2xx is
 * success; 410 disables; 429 and 503 may say how long to leave the endpoint alone. Redirects are not followed. 401 to
 * 405 and 407 bar the way: they speak of credentials, account, URL or method (RFC 9110, section 15.5), so whatever comes
 * would be refused until that is mended. The record is given up like any other that is refused, but the endpoint fails.
 */
const meanings: readonly { readonly from: number; readonly to: number; readonly means: Meaning }[] = [
  { from: 200, to: 299, means: 'done' },
  { from: 401, to: 405, means: 'barred' },
  { from: 407, to: 407, means: 'barred' },
  { from: 408, to: 408, means: 'failing' },
  { from: 410, to: 410, means: 'gone' },
  { from: 425, to: 425, means: 'failing' },
  { from: 429, to: 429, means: 'overloaded' },
  { from: 400, to: 499, means: 'refused' },
  { from: 503, to: 503, means: 'overloaded' },
  { from: 0, to: 999, means: 'failing' },
];

/** The longest wait that a receiver may ask for. */
const retryAfterMsMax = 24 * 3_600_000;

/** Turns what an attempt came to into what follows from it. */
export function verdictOf(
  outcome: AttemptOutcome,
  options: {
    /** Attempts of these records that failed before. */
    readonly failures: number;
    /** How many records the request carried. */
    readonly records: number;
    readonly retry: RetryPolicy;
    readonly nowMs: number;
    readonly random: Random;
  },
): Verdict {
  const means = outcome.kind === 'answered' ? meaningOf(outcome.status) : 'failing';
  const error = outcome.kind === 'answered' ? `answered ${outcome.status}` : outcome.reason;
  if (means === 'done') return { kind: 'done' };
  if (means === 'gone') return { kind: 'disable', error };

  const { failures, retry, nowMs, random } = options;
  const attempts = failures + 1;
  const endpoint = means === 'refused' ? 'refusing' : 'failing';
  const isRefused = means === 'refused' || means === 'barred';
  if (isRefused && options.records > 1) return { kind: 'split', error, endpoint };
  if (isRefused && attempts >= retry.refusedAttemptsMax) {
    return { kind: 'dead-letter', reason: { code: 'delivery.refused', message: error }, endpoint };
  }
  const header = outcome.kind === 'answered' ? outcome.retryAfter : undefined;
  const askedMs = Math.min(retryAfterMs(header, nowMs) ?? 0, retryAfterMsMax);
  const wait = means === 'overloaded' && askedMs > 0 && { waitUntilMs: nowMs + askedMs };
  const delayMs = retry.delaysMs[failures];
  if (delayMs === undefined) {
    const message = `failed ${attempts} times, the last time: ${error}`;
    return { kind: 'dead-letter', reason: { code: 'delivery.exhausted', message }, endpoint, ...wait };
  }
  // Full jitter, so that records which failed together do not come back together.
  const atMs = nowMs + Math.max(Math.round(random() * delayMs), askedMs);
  return { kind: 'retry', atMs, error, endpoint, ...wait };
}

/** What went wrong with an attempt; undefined when nothing did. */
export function failureOf(verdict: Verdict): string | undefined {
  if (verdict.kind === 'done') return undefined;
  return verdict.kind === 'dead-letter' ? verdict.reason.message : verdict.error;
}

function meaningOf(status: number): Meaning {
  return meanings.find(({ from, to }) => status >= from && status <= to)?.means ?? 'failing';
}
