import { isDeepStrictEqual } from 'node:util';
import { odata, type TableClient } from '@azure/data-tables';
import type { Checkpoint } from '../../drain/checkpoint.ts';
import type { CheckpointStore, PartitionPlace, StoredCheckpoint, StoredEndpoint } from '../../drain/ports.ts';
import { checkpointKeys, fromEntity, toEntity } from './checkpoint-entity.ts';
import { endpointKeys, fromEndpointEntity, isEndpoint, toEndpointEntity } from './endpoint-entity.ts';
import { createRow, decodeRow, listRows, type Row, readRow, replaceRow } from './rows.ts';

/**
 * Checkpoints in Azure Table Storage. Every write but the first is If-Match, so a stale holder cannot rewind a
 * checkpoint. The table is made when the first row is.
 *
 * The state of a subscription's endpoint is a row beside its checkpoints, in the partition that has its name: so the
 * one query of an idle tick shows both, and a paused or broken endpoint costs no query of its own.
 */
export function createTableCheckpointStore(table: TableClient): CheckpointStore {
  const decodeCheckpoint = (row: Row): Promise<StoredCheckpoint> =>
    decodeRow(table, row, async () => ({ checkpoint: await fromEntity(row), version: row.etag }));

  const decodeEndpoint = (row: Row): Promise<StoredEndpoint> =>
    decodeRow(table, row, () => ({ endpoint: fromEndpointEntity(row), version: row.etag }));

  async function read(place: PartitionPlace): Promise<StoredCheckpoint | undefined> {
    const { partitionKey, rowKey } = checkpointKeys(place);
    const row = await readRow(table, partitionKey, rowKey);
    return row && decodeCheckpoint(row);
  }

  /**
   * The stored checkpoint, if it is just what was to be written. The client repeats a request whose answer was lost,
   * and the repeat is refused, which its holder must not take for a lost lease. Nobody else writes the holder's name.
   */
  async function findWritten(checkpoint: Checkpoint): Promise<StoredCheckpoint | undefined> {
    if (checkpoint.lease === null) return undefined;
    const found = await read(checkpoint);
    return isDeepStrictEqual(found?.checkpoint, checkpoint) ? found : undefined;
  }

  return {
    async list(subscription) {
      const rows = await listRows(table, odata`PartitionKey eq ${subscription}`);
      const endpoint = rows.find(isEndpoint);
      return {
        checkpoints: await Promise.all(rows.filter((row) => !isEndpoint(row)).map(decodeCheckpoint)),
        endpoint: endpoint && (await decodeEndpoint(endpoint)),
      };
    },

    read,

    async create(checkpoint) {
      const version = await createRow(table, await toEntity(checkpoint));
      return version === undefined ? undefined : { checkpoint, version };
    },

    async replace(checkpoint, version) {
      const written = await replaceRow(table, await toEntity(checkpoint), version);
      return written === undefined ? findWritten(checkpoint) : { checkpoint, version: written };
    },

    async readEndpoint(subscription) {
      const { partitionKey, rowKey } = endpointKeys(subscription);
      const row = await readRow(table, partitionKey, rowKey);
      return row && decodeEndpoint(row);
    },

    async createEndpoint(endpoint) {
      const version = await createRow(table, toEndpointEntity(endpoint));
      return version === undefined ? undefined : { endpoint, version };
    },

    async replaceEndpoint(endpoint, version) {
      const written = await replaceRow(table, toEndpointEntity(endpoint), version);
      return written === undefined ? undefined : { endpoint, version: written };
    },
  };
}
