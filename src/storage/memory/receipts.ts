import type { Receipt, ReceiptStore } from '../../ingest/receipts.ts';
import { parseJson } from '../../shared/json.ts';

/** Receipts in memory, for tests; the contract is the table store's. */
export function createMemoryReceipts(): ReceiptStore {
  const rows = new Map<string, { readonly text: string; readonly expiresAtMs: number }>();

  const live = (key: string, nowMs: number) => {
    const row = rows.get(key);
    return row !== undefined && row.expiresAtMs > nowMs ? row : undefined;
  };

  return {
    async find(source, id, nowMs): Promise<Receipt | undefined> {
      const row = live(keyOf(source, id), nowMs);
      return row && { outcome: parseJson(row.text), expiresAtMs: row.expiresAtMs };
    },
    async save(source, id, { outcome, expiresAtMs }, nowMs) {
      const key = keyOf(source, id);
      if (live(key, nowMs) !== undefined) return false;
      rows.set(key, { text: JSON.stringify(outcome), expiresAtMs });
      return true;
    },
    async sweep(nowMs, max) {
      const expired = [...rows.keys()].filter((key) => live(key, nowMs) === undefined).slice(0, max);
      for (const key of expired) rows.delete(key);
      return expired.length;
    },
  };
}

function keyOf(source: string, id: string): string {
  return JSON.stringify([source, id]);
}
