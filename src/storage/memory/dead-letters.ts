import type { DeadLetter, DeadLetterStore } from '../../ingest/outbox-ports.ts';
import { cutDeadLetter } from '../dead-letter-entry.ts';
import { createTimeOrderedIds } from '../time-ordered-id.ts';

/** Dead letters in memory, for tests; the contract is the table store's. */
export function createMemoryDeadLetters(): DeadLetterStore {
  const newKey = createTimeOrderedIds('memory');
  const rows = new Map<string, DeadLetter>();

  return {
    add: async (letter) => {
      rows.set(newKey(letter.atMs), letter);
    },
    list: async (origin, max) =>
      [...rows]
        .filter(([, letter]) => letter.origin === origin)
        .sort(([one], [two]) => (one < two ? -1 : 1))
        .slice(0, max)
        .map(([key, letter]) => ({ key, ...cutDeadLetter(letter) })),
    get: async (origin, key) => {
      const letter = rows.get(key);
      return letter?.origin === origin ? letter : undefined;
    },
  };
}
