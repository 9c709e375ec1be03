/**
 * Time as an argument: the code that decides never reads the machine's clock by itself, so tests and the
 * simulator can drive it.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Resolves after `delayMs` milliseconds, or rejects with the signal's reason as soon as `signal` aborts.
   * A delay of zero or less resolves without waiting.
   */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** The reason given to a wait that nobody needs any more. Made once: each new error would cost a stack trace. */
export const noLongerNeeded = new Error('no longer needed');

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (delayMs, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (delayMs <= 0) return resolve();
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, delayMs);
      signal?.addEventListener('abort', onAbort, { once: true });
    }),
};

/** A source of chance: a number in [0, 1), as `Math.random` gives. */
export type Random = () => number;

/** The machine's own chance. */
export const systemRandom: Random = () => Math.random();
