import { describeError } from '../shared/error.ts';
import type { Log } from '../shared/log.ts';

/** Lets one part fail without the others; what failed is logged at once and thrown at the end. */
export class Failures {
  readonly #report: Log;
  readonly #errors: unknown[] = [];

  constructor(report: Log) {
    this.#report = report;
  }

  async catch(event: string, place: object, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#report.error(event, { ...place, error: describeError(error) });
      this.#errors.push(error);
    }
  }

  /** @throws {AggregateError} when anything has failed. */
  throwAny(): void {
    if (this.#errors.length === 0) return;
    const shown = this.#errors.slice(0, 3).map(describeError).join('; ');
    throw new AggregateError(this.#errors, `${this.#errors.length} part(s) of the drain failed: ${shown}`);
  }
}
