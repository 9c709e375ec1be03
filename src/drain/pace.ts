/**
 * How fast attempts at an endpoint may follow each other on one instance: by a rate, and by the waits that the
 * receiver asked for.
 */
export class Pace {
  readonly #ratePerSecond: () => number | undefined;
  #tokens = 1;
  #tokensAtMs: number;
  #notBeforeMs = 0;

  /** @param ratePerSecond most attempts a second, as it is now; undefined: no limit. */
  constructor(ratePerSecond: () => number | undefined, nowMs: number) {
    this.#ratePerSecond = ratePerSecond;
    this.#tokensAtMs = nowMs;
  }

  /** How long until the next attempt may begin, in milliseconds; 0: now. */
  waitMs(nowMs: number): number {
    const askedMs = this.#notBeforeMs - nowMs;
    const rate = this.#ratePerSecond();
    if (rate === undefined) return Math.max(askedMs, 0);
    // A second's worth may be saved up.
    this.#tokens = Math.min(
      this.#tokens + (Math.max(0, nowMs - this.#tokensAtMs) * rate) / 1000,
      Math.max(rate, 1),
    );
    this.#tokensAtMs = nowMs;
    return Math.max(askedMs, this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) * 1000) / rate));
  }

  /** An attempt begins. */
  noteAttempt(): void {
    if (this.#ratePerSecond() !== undefined) this.#tokens -= 1;
  }

  /** The receiver asks to be left alone until a time (milliseconds since the epoch). */
  waitUntil(atMs: number): void {
    this.#notBeforeMs = Math.max(this.#notBeforeMs, atMs);
  }

  /** Forgets what the receiver asked for. */
  clear(): void {
    this.#notBeforeMs = 0;
  }
}
