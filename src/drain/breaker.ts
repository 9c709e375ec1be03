/** When a circuit opens, and for how long. */
export interface BreakerLimits {
  /** Opens when at least this part of the last `attemptsMin` attempts failed. */
  readonly failureRatio: number;
  readonly attemptsMin: number;
  /** How long nothing is attempted after the first opening; twice as long after each further one. */
  readonly openMs: number;
  readonly openMsMax: number;
}

/** Attempts that lie further back than this say nothing of an endpoint now. */
const windowMs = 300_000;

/** The last attempts at an endpoint: those that decide whether its circuit opens. */
export class Breaker {
  readonly #limits: BreakerLimits;
  readonly #atMs: number[] = [];
  readonly #failed: boolean[] = [];
  #next = 0;
  #failures = 0;

  constructor(limits: BreakerLimits) {
    this.#limits = limits;
  }

  /** Takes an attempt in; true when the circuit is to open. */
  record(failed: boolean, nowMs: number): boolean {
    const { attemptsMin, failureRatio } = this.#limits;
    if (this.#failed[this.#next] === true) this.#failures -= 1;
    this.#atMs[this.#next] = nowMs;
    this.#failed[this.#next] = failed;
    if (failed) this.#failures += 1;
    this.#next = (this.#next + 1) % attemptsMin;
    const full = this.#failed.length === attemptsMin;
    // The place that is written next holds the oldest attempt.
    const oldestMs = this.#atMs[this.#next] ?? nowMs;
    return failed && full && this.#failures >= failureRatio * attemptsMin && nowMs - oldestMs <= windowMs;
  }

  /** Forgets the attempts: the endpoint gets a fresh chance. */
  clear(): void {
    this.#atMs.length = 0;
    this.#failed.length = 0;
    this.#next = 0;
    this.#failures = 0;
  }

  /** How long the circuit stays open after it was opened `openings` times in a row before. */
  openMs(openings: number): number {
    const { openMs, openMsMax } = this.#limits;
    return Math.min(openMs * 2 ** openings, openMsMax);
  }
}
