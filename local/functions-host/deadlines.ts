import type { Clock } from '../../src/shared/clock.ts';

/** Work that is given up when it takes too long. */
export interface Deadlines {
  /** Settles as `work` does, or rejects with `describe()` once the limit is over; `work` itself goes on. */
  bound<T>(work: Promise<T>, describe: () => Error): Promise<T>;
  /** Pieces of work under way. */
  count(): number;
  close(): Promise<void>;
}

const sweepsPerLimit = 20;
const sweepMaxMs = 1000;

/**
 * One sweep over all work under way instead of a timer for each: an invocation then pays two set operations.
 * Work is given up at most one sweep (a twentieth of the limit, or 1 s) late.
 */
export function createDeadlines(options: { readonly clock: Clock; readonly limitMs: number }): Deadlines {
  const { clock, limitMs } = options;
  // All have the same limit, so insertion order is the order in which they fall due.
  const waiting = new Set<{ dueMs: number; expire: () => void }>();
  const closing = new AbortController();

  const sweep = async () => {
    while (!closing.signal.aborted) {
      await clock
        .sleep(Math.min(limitMs / sweepsPerLimit, sweepMaxMs), closing.signal)
        .catch(() => undefined);
      const now = clock.now();
      for (const entry of waiting) {
        if (entry.dueMs > now) break;
        waiting.delete(entry);
        entry.expire();
      }
    }
  };
  const sweeping = limitMs === Number.POSITIVE_INFINITY ? undefined : sweep();

  return {
    bound: (work, describe) =>
      new Promise((resolve, reject) => {
        const entry = { dueMs: clock.now() + limitMs, expire: () => reject(describe()) };
        waiting.add(entry);
        work.then(
          (value) => {
            waiting.delete(entry);
            resolve(value);
          },
          (error) => {
            waiting.delete(entry);
            reject(error);
          },
        );
      }),
    count: () => waiting.size,
    close: async () => {
      closing.abort();
      await sweeping;
    },
  };
}
