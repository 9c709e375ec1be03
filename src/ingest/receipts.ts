import { z } from 'zod';
import type { Clock } from '../shared/clock.ts';
import type { FinalFate, Receipts } from './once.ts';

/** What came of an event before, kept under its source and id so that a repeat is answered likewise. */
export interface Receipt {
  /** Anything JSON can hold. */
  readonly outcome: unknown;
  /** Milliseconds since the epoch; from then on the receipt counts as absent. */
  readonly expiresAtMs: number;
}

/** Keeps receipts. Sources are names fit for a table key; ids are whatever a sender chose. */
export interface ReceiptStore {
  /** The receipt of an id, unless it has expired at `nowMs`. */
  find(source: string, id: string, nowMs: number): Promise<Receipt | undefined>;
  /** Keeps a receipt; false when there is one already, which stays: the first writer wins. */
  save(source: string, id: string, receipt: Receipt, nowMs: number): Promise<boolean>;
  /**
   * Deletes at most `max` receipts that have expired at `nowMs`, and tells how many. A call looks at a bounded part
   * of the store, and the next one goes on from there.
   */
  sweep(nowMs: number, max: number): Promise<number>;
}

const fateSchema: z.ZodType<FinalFate> = z.discriminatedUnion('kind', [
  z
    .object({ kind: z.literal('produced'), partition: z.int().optional(), offset: z.string().optional() })
    .transform(({ kind, partition, offset }) => ({
      kind,
      ...(partition !== undefined && { partition }),
      ...(offset !== undefined && { offset: BigInt(offset) }),
    })),
  z.object({ kind: z.literal('queued') }),
  z.object({ kind: z.literal('dead-lettered'), code: z.string(), message: z.string() }),
]);

/** Fates of events in a store of receipts: offsets travel as decimal strings. */
export function createReceipts(store: ReceiptStore, clock: Clock): Receipts {
  return {
    async find(source, id) {
      const receipt = await store.find(source, id, clock.now());
      return receipt && fateSchema.parse(receipt.outcome);
    },
    async save(source, id, fate, expiresAtMs) {
      const outcome = fate.kind === 'produced' ? { ...fate, offset: fate.offset?.toString() } : fate;
      await store.save(source, id, { outcome, expiresAtMs }, clock.now());
    },
  };
}
