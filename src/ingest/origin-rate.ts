import type { Clock } from '../shared/clock.ts';
import { type AbuseProtectionConfig, isAllowed } from './abuse-protection.ts';

/**
 * Counts a delivery of an origin, as it names itself in `WebHook-Request-Origin`.
 *
 * @returns undefined while it keeps to its rate; else in how many seconds it may try again.
 */
export type OriginRate = (origin: string) => number | undefined;

const minuteMs = 60_000;
/** Origins counted at once; beyond, the one that was silent the longest is forgotten. */
const originsMax = 1_000;
/** A DNS name is no longer (RFC 1035, section 2.3.4). */
const originCharsMax = 253;

/**
 * Holds each sender to the rate that `WebHook-Allowed-Rate` granted it (cloudevents/spec, http-webhook.md, sections
 * 2.2 and 4.2.2), on this instance. After a pause a whole minute's deliveries may come at once. Only origins that the
 * handshake consents to are counted: the header is a courtesy of the sender, not a proof, and whoever leaves it out
 * still meets the limits for all.
 */
export function createOriginRate(
  {
    allowedOrigins,
    ratePerMinute,
  }: Pick<AbuseProtectionConfig, 'allowedOrigins'> & { ratePerMinute: number },
  clock: Pick<Clock, 'now'>,
): OriginRate {
  const spacingMs = minuteMs / ratePerMinute;
  /** When the last delivery of an origin would have come, had they been spaced evenly; the most recent origin last. */
  const evenlyAtMs = new Map<string, number>();
  return (origin) => {
    if (origin.length > originCharsMax || !isAllowed(origin, allowedOrigins)) return undefined;
    const name = origin.toLowerCase();
    const nowMs = clock.now();
    const nextMs = Math.max(evenlyAtMs.get(name) ?? 0, nowMs) + spacingMs;
    const earlyMs = nextMs - nowMs - minuteMs;
    // Sums of the spacing, which need not be a whole number, may end a hair beyond the minute.
    if (earlyMs >= 1) return Math.ceil(earlyMs / 1000);
    evenlyAtMs.delete(name);
    evenlyAtMs.set(name, nextMs);
    if (evenlyAtMs.size > originsMax) {
      const [silent = ''] = evenlyAtMs.keys();
      evenlyAtMs.delete(silent);
    }
    return undefined;
  };
}
