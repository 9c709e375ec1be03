import { z } from 'zod';
import type { Clock } from '../shared/clock.ts';
import type { FinalFate, Receipts } from './once.ts';
import type { ReceiptStore } from './outbox-ports.ts';

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
