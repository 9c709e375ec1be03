import { odata, type TableClient } from '@azure/data-tables';
import type { OutboxStore } from '../../ingest/outbox-ports.ts';
import { forEachLimited } from '../../shared/concurrency.ts';
import { packRecords } from '../record-batches.ts';
import { createTimeOrderedIds } from '../time-ordered-id.ts';
import { gzipText } from './chunks.ts';
import {
  fromBatchEntity,
  fromLeaseEntity,
  leasePartition,
  newBatchEntity,
  toBatchEntity,
  toLeaseEntity,
} from './outbox-entity.ts';
import { createRow, createRowsAtOnce, decodeRow, deleteRow, listRows, readRow, replaceRow } from './rows.ts';

/** A transaction is at most 4 MiB (the service's limit), binary properties counted in base64. */
const transactionEntitiesMax = 3;
const queriesMax = 16;
const enlistedTopicsMax = 10_000;

/**
 * The outbox in Azure Table Storage: one partition a topic, one entity a batch, and in the partition `:topics` one
 * entity for each topic that ever had a backlog, which is its lease. That entity is written before the topic's
 * first batch and stays, so no batch is without it.
 */
export function createTableOutbox(table: TableClient, instance: string): OutboxStore {
  const newId = createTimeOrderedIds(instance);
  const enlisted = new Set<string>();

  async function enlist(topic: string): Promise<void> {
    if (enlisted.has(topic)) return;
    await createRow(table, toLeaseEntity({ topic, owner: '', expiresAtMs: 0 }));
    if (enlisted.size >= enlistedTopicsMax) enlisted.clear();
    enlisted.add(topic);
  }

  async function hasBacklog(topic: string): Promise<boolean> {
    const rows = await listRows(table, odata`PartitionKey eq ${topic}`, { max: 1, select: ['RowKey'] });
    return rows.length > 0;
  }

  return {
    async add(topic, records, nowMs) {
      const packed = await packRecords(records, gzipText);
      const entities = packed.map((bytes) => newBatchEntity(topic, newId(nowMs), bytes));
      try {
        await enlist(topic);
        for (let from = 0; from < entities.length; from += transactionEntitiesMax) {
          // An id is never given twice, so what is there already was written by a call whose answer was lost.
          await createRowsAtOnce(table, entities.slice(from, from + transactionEntitiesMax));
        }
      } catch (error) {
        // The table may have been deleted; the next call makes it anew, with its topics.
        enlisted.delete(topic);
        throw error;
      }
    },

    async topics() {
      const filter = odata`PartitionKey eq ${leasePartition}`;
      const names = (await listRows(table, filter, { select: ['RowKey'] })).map((row) => String(row.rowKey));
      const waiting = new Set<string>();
      await forEachLimited(names, queriesMax, async (topic) => {
        if (await hasBacklog(topic)) waiting.add(topic);
      });
      return names.filter((topic) => waiting.has(topic));
    },

    hasBacklog,

    async list(topic, max, afterId = '') {
      const filter = odata`PartitionKey eq ${topic} and RowKey gt ${afterId}`;
      const rows = await listRows(table, filter, { max });
      return Promise.all(rows.map((row) => decodeRow(table, row, () => fromBatchEntity(row))));
    },

    async replace(batch) {
      const version = await replaceRow(table, await toBatchEntity(batch), batch.version);
      return version === undefined ? undefined : { ...batch, version };
    },

    remove: ({ topic, id, version }) => deleteRow(table, { partitionKey: topic, rowKey: id }, version),

    async readLease(topic) {
      const row = await readRow(table, leasePartition, topic);
      return row && decodeRow(table, row, () => fromLeaseEntity(row));
    },

    async replaceLease(lease) {
      const version = await replaceRow(table, toLeaseEntity(lease), lease.version);
      return version === undefined ? undefined : { ...lease, version };
    },
  };
}
