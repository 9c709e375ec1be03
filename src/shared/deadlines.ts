import { type Clock, noLongerNeeded } from './clock.ts';

/** Watches over many deadlines with one timer, since a timer for each would cost more than what it guards. */
export interface Deadlines {
  /** Calls `expire` once `timeoutMs` have passed, unless what it returns was called before. */
  begin(timeoutMs: number, expire: () => void): () => void;
}

/** The timer is not stopped when nothing is watched any more, but it ends within this. */
const lookEveryMs = 250;

interface Deadline {
  readonly atMs: number;
  expire(): void;
}

/** Makes a watch on `clock`. It costs nothing while there are no deadlines. */
export function createDeadlines(clock: Clock): Deadlines {
  const pending = new Set<Deadline>();
  let wakeAtMs = Number.POSITIVE_INFINITY;
  let sleeping: AbortController | undefined;

  function look(): void {
    const nowMs = clock.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const deadline of pending) {
      if (deadline.atMs <= nowMs) {
        pending.delete(deadline);
        deadline.expire();
      } else nextMs = Math.min(nextMs, deadline.atMs);
    }
    wakeAtMs = Number.POSITIVE_INFINITY;
    if (pending.size > 0) sleepUntil(Math.min(nextMs, nowMs + lookEveryMs), nowMs);
  }

  function sleepUntil(atMs: number, nowMs: number): void {
    wakeAtMs = atMs;
    sleeping?.abort(noLongerNeeded);
    const asleep = new AbortController();
    sleeping = asleep;
    clock.sleep(atMs - nowMs, asleep.signal).then(look, () => undefined);
  }

  return {
    begin(timeoutMs, expire) {
      const nowMs = clock.now();
      const deadline = { atMs: nowMs + timeoutMs, expire };
      pending.add(deadline);
      const lookAtMs = Math.min(deadline.atMs, nowMs + lookEveryMs);
      if (lookAtMs < wakeAtMs) sleepUntil(lookAtMs, nowMs);
      return () => pending.delete(deadline);
    },
  };
}
