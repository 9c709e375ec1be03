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
  /** Names the call that wrote this, which is the claim while somebody holds the letter; empty: nothing was written. */
  readonly writtenBy: string;
}

/** How every letter begins. */
export const unsettled: Settlement = {
  state: 'open',
  later: [],
  laterCount: 0,
  claimedUntilMs: 0,
  writtenBy: '',
};

/** Whether a letter can be claimed now. */
export function isFree({ state, claimedUntilMs }: Settlement, nowMs: number): boolean {
  return state === 'open' && claimedUntilMs <= nowMs;
}

/** What whoever wants a letter is told that they cannot have; undefined: there is none. */
export function refusedClaim(found: Settlement | undefined): DeadLetterClaim {
  if (found?.state !== 'open') return { outcome: 'not-open' };
  return { outcome: 'busy', untilMs: found.claimedUntilMs };
}

/** Moves a claimed letter on; `writtenBy` names the call that does so. */
export function settle(
  before: Settlement,
  to: { readonly state: DeadLetterState; readonly attempts?: readonly Attempt[] },
  writtenBy: string,
): Settlement {
  const { state, attempts = [] } = to;
  return {
    state,
    later: [...before.later, ...attempts].slice(-laterAttemptsMax),
    laterCount: before.laterCount + attempts.length,
    claimedUntilMs: 0,
    writtenBy,
  };
}

/** A letter with the attempts that were made since. */
export function withLater(letter: DeadLetter, { later }: Settlement): DeadLetter {
  return later.length === 0 ? letter : { ...letter, attempts: [...(letter.attempts ?? []), ...later] };
}

/** What a list shows of a dead letter, without what became of it. */
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

/** The key of the `count`th letter that was added under one: those before it are settled, or hold something else. */
export function nthKey(key: string, count: number): string {
  return count === 1 ? key : `${key}~${count}`;
}
