import { SluiceError } from '../../src/shared/error.ts';

/** How many events there were, and the sum of their numbers: a duplicate does not make up for a loss. */
export interface Tally {
  readonly events: number;
  readonly idSum: number;
}

/**
 * Compares what was acknowledged with what the proxy took in meanwhile.
 *
 * @throws {SluiceError} when the two differ: what was measured is worth nothing.
 */
export function assertAllProduced(acknowledged: Tally, produced: { before: Tally; after: Tally }): void {
  const events = produced.after.events - produced.before.events;
  const idSum = produced.after.idSum - produced.before.idSum;
  if (events === acknowledged.events && idSum === acknowledged.idSum) return;
  throw new SluiceError({
    code: 'bench.miscounted',
    message: `${acknowledged.events} events (sum of numbers ${acknowledged.idSum}) were acknowledged, but the proxy has ${events} (${idSum})`,
    retryable: false,
  });
}
