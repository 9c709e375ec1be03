import type { DeadLetter, DeadLetterStore } from '../../events/dead-letter.ts';
import {
  cutDeadLetter,
  isFree,
  nthKey,
  refusedClaim,
  type Settlement,
  settle,
  unsettled,
  withLater,
} from '../dead-letter-entry.ts';
import { createTimeOrderedIds } from '../time-ordered-id.ts';

type Rows = Map<string, { readonly letter: DeadLetter; settlement: Settlement }>;

/** Dead letters in memory, for tests; the contract is the table store's. */
export function createMemoryDeadLetters(): DeadLetterStore {
  const newKey = createTimeOrderedIds('memory');
  const origins = new Map<string, Rows>();

  let calls = 0;

  const newCall = () => {
    calls += 1;
    return String(calls);
  };
  const find = (origin: string, key: string) => origins.get(origin)?.get(key);

  return {
    async add(letter, key = newKey(letter.atMs)) {
      const rows: Rows = origins.get(letter.origin) ?? new Map();
      origins.set(letter.origin, rows);
      let count = 1;
      for (let row = rows.get(key); row !== undefined; row = rows.get(nthKey(key, count))) {
        if (row.settlement.state === 'open' && row.letter.payload === letter.payload) return;
        count += 1;
      }
      rows.set(nthKey(key, count), { letter, settlement: unsettled });
    },

    origins: async () => [...origins.keys()].sort(),

    async list(origin, { max, state, afterKey = '' }) {
      return [...(origins.get(origin) ?? [])]
        .filter(([key, { settlement }]) => key > afterKey && (state ?? settlement.state) === settlement.state)
        .sort(([one], [two]) => (one < two ? -1 : 1))
        .slice(0, max)
        .map(([key, { letter, settlement }]) => {
          const entry = cutDeadLetter(letter);
          const attemptCount = entry.attemptCount + settlement.laterCount;
          return { ...entry, key, state: settlement.state, attemptCount };
        });
    },

    async get(origin, key) {
      const row = find(origin, key);
      return row && { letter: withLater(row.letter, row.settlement), state: row.settlement.state };
    },

    async claim(origin, key, { nowMs, untilMs }) {
      const row = find(origin, key);
      if (row === undefined || !isFree(row.settlement, nowMs)) return refusedClaim(row?.settlement);
      const claim = newCall();
      row.settlement = { ...row.settlement, claimedUntilMs: untilMs, writtenBy: claim };
      return { outcome: 'claimed', claim };
    },

    async settle(origin, key, { claim, ...to }) {
      const row = find(origin, key);
      if (row?.settlement.writtenBy !== claim) return false;
      row.settlement = settle(row.settlement, to, newCall());
      return true;
    },
  };
}
