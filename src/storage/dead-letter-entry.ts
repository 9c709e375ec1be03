import type {
  Attempt,
  DeadLetter,
  DeadLetterClaim,
  DeadLetterEntry,
  DeadLetterState,
} from '../events/dead-letter.ts';

/** A property of a table holds 32,768 characters. */
const shownCharsMax = 1_000;

/** A letter keeps the newest attempts that were made since it was added, however often it is tried again. */
const laterAttemptsMax = 20;

/** What became of a letter since it was added. */
export interface Settlement {
  readonly state: DeadLetterState;
  /** The newest attempts that were made since, the oldest first. */
  readonly later: readonly Attempt[];
  /** How many were made since. */
  readonly laterCount: number;
  /** Until when somebody holds it (milliseconds since the epoch); 0: nobody does. */
  readonly claimedUntilMs: number;
}

/** How every letter begins. */
export const unsettled: Settlement = { state: 'open', later: [], laterCount: 0, claimedUntilMs: 0 };

/** Whether a letter can be claimed now; undefined: there is none. */
export function claimable(found: Settlement | undefined, nowMs: number): DeadLetterClaim {
  if (found?.state !== 'open') return { outcome: 'not-open' };
  if (found.claimedUntilMs > nowMs) return { outcome: 'busy', untilMs: found.claimedUntilMs };
  return { outcome: 'claimed' };
}

/** Moves an open letter on. */
export function settle(
  before: Settlement,
  { state, attempts = [] }: { readonly state: DeadLetterState; readonly attempts?: readonly Attempt[] },
): Settlement {
  return {
    state,
    later: [...before.later, ...attempts].slice(-laterAttemptsMax),
    laterCount: before.laterCount + attempts.length,
    claimedUntilMs: 0,
  };
}

/** A letter with the attempts that were made since. */
export function withLater(letter: DeadLetter, { later }: Settlement): DeadLetter {
  return later.length === 0 ? letter : { ...letter, attempts: [...(letter.attempts ?? []), ...later] };
}

/** What a list shows of a dead letter, but for what became of it. */
export function cutDeadLetter({
  payload: _,
  attempts,
  ...letter
}: DeadLetter): Omit<DeadLetterEntry, 'key' | 'state'> {
  const { id, reason } = letter;
  return {
    ...letter,
    id: cut(id),
    reason: { code: reason.code, message: cut(reason.message) },
    attemptCount: attempts?.length ?? 0,
  };
}

/** A cut may divide a pair of surrogates, and half a character is no text that every table takes. */
function cut(text: string): string {
  return text.slice(0, shownCharsMax).toWellFormed();
}

/** Key number `count` for letters that were added under one key while those before them were settled, or others. */
export function sameKey(key: string, count: number): string {
  return count === 1 ? key : `${key}~${count}`;
}
