import type { Clock } from '../../src/shared/clock.ts';
import { createDeadlines } from '../../src/shared/deadlines.ts';

/** Settles as `work` does, or rejects with `describe()` once the limit is over; `work` itself goes on. */
export type WithinLimit = <T>(work: Promise<T>, describe: () => Error) => Promise<T>;

/** Gives up whatever takes longer than `limitMs`; Infinity is allowed. */
export function createTimeLimit({ clock, limitMs }: { clock: Clock; limitMs: number }): WithinLimit {
  const deadlines = createDeadlines(clock);
  return (work, describe) =>
    new Promise((resolve, reject) => {
      const end = deadlines.begin(limitMs, () => reject(describe()));
      work.then(resolve, reject).finally(end);
    });
}
