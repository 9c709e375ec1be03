import { retryAfterMs } from '../shared/backoff.ts';
import type { Random } from '../shared/clock.ts';
import type { AttemptOutcome } from './attempt.ts';

/** What follows from an attempt. */
export type Verdict =
  | { readonly kind: 'done' }
  | { readonly kind: 'retry'; readonly atMs: number; readonly error: string };

/** A receiver may ask for a longer wait than the schedule's, up to this. */
const retryAfterMsMax = 24 * 3_600_000;

/**
 * Turns an outcome into a verdict. Only a 2xx is success (Standard Webhooks, "Delivery"): a redirect is a
 * failure like any other. Everything else is tried again: after the schedule's delay, or later where the
 * receiver's `Retry-After` says so.
 *
 * @param failures how often this record has failed, this attempt included if it did.
 */
export function verdictOf(
  outcome: AttemptOutcome,
  options: {
    readonly failures: number;
    /** The wait after the first failure, the second, and so on; the last repeats. */
    readonly delaysMs: readonly number[];
    readonly nowMs: number;
    readonly random: Random;
  },
): Verdict {
  if (outcome.kind === 'answered' && outcome.status >= 200 && outcome.status < 300) return { kind: 'done' };
  const delayMs = jittered(delayAfter(options.failures, options.delaysMs), options.random);
  const askedMs = outcome.kind === 'answered' ? (retryAfterMs(outcome.retryAfter, options.nowMs) ?? 0) : 0;
  return {
    kind: 'retry',
    atMs: options.nowMs + Math.max(delayMs, Math.min(askedMs, retryAfterMsMax)),
    error: outcome.kind === 'answered' ? `answered ${outcome.status}` : outcome.reason,
  };
}

function delayAfter(failures: number, delaysMs: readonly number[]): number {
  return delaysMs[Math.min(failures, delaysMs.length) - 1] ?? 0;
}

/** Between half of the delay and all of it, so that records which failed together spread out. */
function jittered(delayMs: number, random: Random): number {
  return Math.round(delayMs * (0.5 + random() / 2));
}
