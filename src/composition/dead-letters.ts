import type { Surroundings } from './surroundings.ts';

/** Stores what the way in gives up, for operators. @throws what the store throws; then nothing was given up. */
export type AddDeadLetter = (
  origin: string,
  letter: {
    readonly id: string;
    readonly topic?: string;
    readonly payload: string;
    readonly reason: { readonly code: string; readonly message: string };
  },
) => Promise<void>;

/** Wires the dead letters of the way in. */
export function composeDeadLetters({ clock, report, stores }: Surroundings): AddDeadLetter {
  return async (origin, letter) => {
    const { id, reason } = letter;
    await (await stores.deadLetters()).add({ origin, ...letter, atMs: clock.now() });
    report.error('ingest.dead-lettered', { origin, id, code: reason.code, error: reason.message });
  };
}
