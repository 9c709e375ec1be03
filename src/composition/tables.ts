import type { TableClient } from '@azure/data-tables';
import type { BridgeConfig } from '../config/schema.ts';
import { openOnce } from '../shared/open-once.ts';
import type { Stores } from './surroundings.ts';

/**
 * The stores in Table Storage.
 *
 * @param instance names this instance of the app, where several write to one table.
 */
export function openTables(storage: BridgeConfig['storage'], instance: string): Stores {
  // The library that reaches tables is loaded by the first who asks for one.
  const open = async (name: string): Promise<TableClient> => {
    const { openTable } = await import('../storage/table/open-table.ts');
    return openTable(storage, name);
  };
  return {
    checkpoints: openOnce(async () => {
      const { createTableCheckpointStore } = await import('../storage/table/checkpoint-store.ts');
      return createTableCheckpointStore(await open('checkpoints'));
    }),
    parked: openOnce(async () => {
      const { createTableParkedStore } = await import('../storage/table/parked.ts');
      return createTableParkedStore(await open('parked'), instance);
    }),
    deadLetters: openOnce(async () => {
      const { createTableDeadLetters } = await import('../storage/table/dead-letters.ts');
      return createTableDeadLetters(await open('deadletters'), instance);
    }),
    outbox: openOnce(async () => {
      const { createTableOutbox } = await import('../storage/table/outbox.ts');
      return createTableOutbox(await open('outbox'), instance);
    }),
    receipts: openOnce(async () => {
      const { createTableReceipts } = await import('../storage/table/receipts.ts');
      return createTableReceipts(await open('receipts'));
    }),
  };
}
