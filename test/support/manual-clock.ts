import { assert } from '../../src/shared/assert.ts';
import type { Clock } from '../../src/shared/clock.ts';

/** A clock that stands still until it is told to move. */
export interface ManualClock extends Clock {
  /**
   * Moves time forward by `durationMs`. Sleeps that fall due end one after the other, the earliest first, each at
   * its own time; before the next one, everything that its end set in motion without I/O has come to rest, so
   * sleeps begun on the way count too.
   */
  advance(durationMs: number): Promise<void>;
  /** How many sleeps have neither ended nor been aborted. */
  pendingSleeps(): number;
}

/** Catches code that sleeps in an endless loop of tiny steps instead of letting it hang the test. */
const wakeUpsPerAdvanceMax = 1_000_000;

interface PendingSleep {
  readonly dueMs: number;
  end(): void;
}

/** Makes a clock that stands at `startMs` (milliseconds since the Unix epoch; 2026-01-01T00:00:00Z by default). */
export function createManualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let nowMs = startMs;
  const pending = new Set<PendingSleep>();

  const sleep = (delayMs: number, signal?: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (delayMs <= 0) return resolve();
      const onAbort = () => {
        pending.delete(pendingSleep);
        reject(signal?.reason);
      };
      const pendingSleep: PendingSleep = {
        dueMs: nowMs + delayMs,
        end: () => {
          pending.delete(pendingSleep);
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      pending.add(pendingSleep);
      signal?.addEventListener('abort', onAbort, { once: true });
    });

  const advance = async (durationMs: number) => {
    assert(durationMs >= 0, 'a clock only moves forward');
    const untilMs = nowMs + durationMs;
    await settle();
    for (let wakeUps = 0; ; wakeUps += 1) {
      const next = earliest(pending);
      if (next === undefined || next.dueMs > untilMs) break;
      assert(wakeUps < wakeUpsPerAdvanceMax, `over ${wakeUpsPerAdvanceMax} sleeps ended in ${durationMs} ms`);
      nowMs = next.dueMs;
      next.end();
      await settle();
    }
    nowMs = untilMs;
  };

  return { now: () => nowMs, sleep, advance, pendingSleeps: () => pending.size };
}

/** The sleep that falls due first; of equals, the one that began first. */
function earliest(sleeps: Iterable<PendingSleep>): PendingSleep | undefined {
  let first: PendingSleep | undefined;
  for (const sleep of sleeps) {
    if (first === undefined || sleep.dueMs < first.dueMs) first = sleep;
  }
  return first;
}

/** Resolves when no promise reaction is left to run: Node empties that queue before it runs an immediate. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
