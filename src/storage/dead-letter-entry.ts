import type { DeadLetter, DeadLetterEntry } from '../ingest/outbox-ports.ts';

/** A property of a table holds 32,768 characters. */
const shownCharsMax = 1_000;

/** What a list shows of a dead letter. */
export function cutDeadLetter({ payload: _, ...letter }: DeadLetter): Omit<DeadLetterEntry, 'key'> {
  const { id, reason } = letter;
  return {
    ...letter,
    id: id.slice(0, shownCharsMax),
    reason: { code: reason.code, message: reason.message.slice(0, shownCharsMax) },
  };
}
