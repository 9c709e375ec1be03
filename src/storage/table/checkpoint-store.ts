import { odata, type TableClient } from '@azure/data-tables';
import type { Checkpoint } from '../../drain/checkpoint.ts';
import type { CheckpointStore, StoredCheckpoint } from '../../drain/ports.ts';
import { StorageError } from '../storage-error.ts';
import { fromEntity, toEntity } from './checkpoint-entity.ts';

/** Answers of Table Storage that are results: the entity or the table is missing, is there already, or has changed. */
const notFound = 404;
const alreadyExists = 409;
const conditionNotMet = 412;

/**
 * Checkpoints in Azure Table Storage. Every write but the first is If-Match, so a stale holder cannot rewind a
 * checkpoint. The table is made when the first checkpoint is.
 */
export function createTableCheckpointStore(table: TableClient): CheckpointStore {
  async function insert(checkpoint: Checkpoint): Promise<StoredCheckpoint> {
    const { etag } = await table.createEntity(toEntity(checkpoint));
    return stored(checkpoint, etag);
  }

  return {
    list: (subscription) =>
      attempt(
        async () => {
          const found: StoredCheckpoint[] = [];
          const filter = odata`PartitionKey eq ${subscription}`;
          for await (const row of table.listEntities({ queryOptions: { filter } })) {
            found.push(stored(fromEntity(row), row.etag));
          }
          return found;
        },
        new Map([[notFound, []]]),
      ),

    create: (checkpoint) =>
      attempt(
        async () => {
          try {
            return await insert(checkpoint);
          } catch (error) {
            if (statusOf(error) !== notFound) throw error;
            await table.createTable();
            return insert(checkpoint);
          }
        },
        new Map([[alreadyExists, undefined]]),
      ),

    replace: (checkpoint, version) =>
      attempt(
        async () => {
          const { etag } = await table.updateEntity(toEntity(checkpoint), 'Replace', { etag: version });
          return stored(checkpoint, etag);
        },
        new Map([
          [conditionNotMet, undefined],
          [notFound, undefined],
        ]),
      ),
  };
}

/** Runs `work`; a status that `results` names is a result, any other failure a {@link StorageError}. */
async function attempt<T>(work: () => Promise<T>, results: ReadonlyMap<number, T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const status = statusOf(error);
    if (status !== undefined && results.has(status)) return results.get(status) as T;
    throw new StorageError('checkpoints', error);
  }
}

function stored(checkpoint: Checkpoint, etag: string | undefined): StoredCheckpoint {
  if (etag === undefined) throw new Error('Table Storage answered without an ETag');
  return { checkpoint, version: etag };
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : undefined;
}
