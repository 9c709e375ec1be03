import type { Pace } from './ports.ts';

interface Look {
  readonly finished: bigint;
  readonly atMs: number;
  readonly perMinute: number | null;
}

/** Looks closer together than this say nothing: a walk saves its progress every few seconds only. */
const lookEveryMsMin = 5_000;
const minuteMs = 60_000;

/** Compares each look with the one before, and remembers one look a place. */
export function createPace(): Pace {
  const looks = new Map<string, Look>();
  return {
    perMinute(place, finished, nowMs) {
      const before = looks.get(place);
      if (before === undefined || finished < before.finished) {
        looks.set(place, { finished, atMs: nowMs, perMinute: null });
        return null;
      }
      const passedMs = nowMs - before.atMs;
      if (passedMs < lookEveryMsMin) return before.perMinute;
      const perMinute = Math.round((Number(finished - before.finished) * minuteMs) / passedMs);
      looks.set(place, { finished, atMs: nowMs, perMinute });
      return perMinute;
    },
  };
}
