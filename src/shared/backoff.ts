import type { Random } from './clock.ts';

/** Bounds of an exponential backoff, in milliseconds. */
export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * The wait before retry number `retry` (1 for the first): a random part of an exponentially growing span
 * ("full jitter", AWS Architecture Blog, "Exponential Backoff And Jitter"), so that clients which failed
 * together do not come back together.
 */
export function fullJitterMs(retry: number, { baseMs, capMs }: Backoff, random: Random): number {
  return random() * Math.min(capMs, baseMs * 2 ** (retry - 1));
}

/** An HTTP date in each of its three forms begins with the name of a day (RFC 9110, section 5.6.7). */
const httpDate = /^[A-Z][a-z]{2,8},? /;

/**
 * Reads a `Retry-After` header: seconds, however many, or an HTTP date (RFC 9110, section 10.2.3).
 *
 * @returns the wait in milliseconds from `nowMs`, never negative; undefined when absent or unreadable.
 */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  // `Date.parse` would make a date of much else, such as "1, 2050".
  const atMs = httpDate.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
