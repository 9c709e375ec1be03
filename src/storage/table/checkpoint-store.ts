import { odata, type TableClient } from '@azure/data-tables';
import type { CheckpointStore } from '../../drain/ports.ts';
import { UnreadableEntityError } from '../storage-error.ts';
import { fromEntity, toEntity } from './checkpoint-entity.ts';
import { createRow, listRows, replaceRow } from './rows.ts';

/**
 * Checkpoints in Azure Table Storage. Every write but the first is If-Match, so a stale holder cannot rewind a
 * checkpoint. The table is made when the first checkpoint is.
 */
export function createTableCheckpointStore(table: TableClient): CheckpointStore {
  return {
    async list(subscription) {
      const rows = await listRows(table, odata`PartitionKey eq ${subscription}`);
      return rows.map((row) => {
        try {
          return { checkpoint: fromEntity(row), version: row.etag };
        } catch (error) {
          throw new UnreadableEntityError(table.tableName, row, error);
        }
      });
    },

    async create(checkpoint) {
      const version = await createRow(table, toEntity(checkpoint));
      return version === undefined ? undefined : { checkpoint, version };
    },

    async replace(checkpoint, version) {
      const written = await replaceRow(table, toEntity(checkpoint), version);
      return written === undefined ? undefined : { checkpoint, version: written };
    },
  };
}
