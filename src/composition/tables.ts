import type { TableClient } from '@azure/data-tables';
import type { CheckpointStore, ParkedStore } from '../drain/ports.ts';
import type { DeadLetterStore } from '../events/dead-letter.ts';
import type { OutboxStore, ReceiptStore } from '../ingest/outbox-ports.ts';
import { config, instance, once } from './instance.ts';

// Each function first asks for the tables that it needs; only then is the library loaded that reaches them.

/** Where each subscription stands, and the state of its endpoint. */
export const checkpoints = once<CheckpointStore>(async () => {
  const { createTableCheckpointStore } = await import('../storage/table/checkpoint-store.ts');
  return createTableCheckpointStore(await open('checkpoints'));
});

/** Records that wait for their next attempt. */
export const parked = once<ParkedStore>(async () => {
  const { createTableParkedStore } = await import('../storage/table/parked.ts');
  return createTableParkedStore(await open('parked'), instance);
});

/** What was given up. */
export const deadLetters = once<DeadLetterStore>(async () => {
  const { createTableDeadLetters } = await import('../storage/table/dead-letters.ts');
  return createTableDeadLetters(await open('deadletters'), instance);
});

/** Records accepted and not yet produced. */
export const outbox = once<OutboxStore>(async () => {
  const { createTableOutbox } = await import('../storage/table/outbox.ts');
  return createTableOutbox(await open('outbox'), instance);
});

/** What came of events before. */
export const receipts = once<ReceiptStore>(async () => {
  const { createTableReceipts } = await import('../storage/table/receipts.ts');
  return createTableReceipts(await open('receipts'));
});

async function open(name: string): Promise<TableClient> {
  const { openTable } = await import('../storage/table/open-table.ts');
  return openTable(config.storage, name);
}
