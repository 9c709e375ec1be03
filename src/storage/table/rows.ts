import type { TableClient, TableEntity, TableEntityResult } from '@azure/data-tables';
import { StorageError } from '../storage-error.ts';

/** Answers of Table Storage that are results: the entity or the table is missing, is there already, or has changed. */
const notFound = 404;
const alreadyExists = 409;
const conditionNotMet = 412;

/** The service gives at most this many entities in one answer. */
export const rowsPageMax = 1_000;

/** An entity as it is read back: `etag` is its version. */
export type Row = TableEntityResult<Record<string, unknown>>;

/** Writes a new entity, and its table if need be; undefined when there is one of its keys, else its version. */
export function createRow(table: TableClient, entity: TableEntity): Promise<string | undefined> {
  return callTable(
    table,
    async () => {
      try {
        return versionOf(await table.createEntity(entity));
      } catch (error) {
        if (statusOf(error) !== notFound) throw error;
        await table.createTable();
        return versionOf(await table.createEntity(entity));
      }
    },
    new Map([[alreadyExists, undefined]]),
  );
}

/** Writes new entities of one partition of a table that exists, all or none; false when one is there already. */
export function createRowsAtOnce(table: TableClient, entities: readonly TableEntity[]): Promise<boolean> {
  return callTable(
    table,
    async () => {
      const { subResponses } = await table.submitTransaction(entities.map((entity) => ['create', entity]));
      // The client reads failures out of the answer's text; only what it surely read as success counts.
      const written = subResponses.filter(({ status }) => status >= 200 && status < 300);
      if (written.length !== entities.length) throw new Error('Table Storage did not confirm every entity');
      return true;
    },
    new Map([[alreadyExists, false]]),
  );
}

/** Replaces the entity that has `version` and tells its new one; undefined when it is gone or has changed. */
export function replaceRow(
  table: TableClient,
  entity: TableEntity,
  version: string,
): Promise<string | undefined> {
  return callTable<string | undefined>(
    table,
    async () => versionOf(await table.updateEntity(entity, 'Replace', { etag: version })),
    new Map([
      [conditionNotMet, undefined],
      [notFound, undefined],
    ]),
  );
}

/** Deletes the entity that has `version`; false when it is gone or has changed. */
export function deleteRow(
  table: TableClient,
  { partitionKey, rowKey }: TableEntity,
  version: string,
): Promise<boolean> {
  return callTable(
    table,
    async () => {
      await table.deleteEntity(partitionKey, rowKey, { etag: version });
      return true;
    },
    new Map([
      [conditionNotMet, false],
      [notFound, false],
    ]),
  );
}

/** One entity; undefined when there is none. */
export function readRow(table: TableClient, partitionKey: string, rowKey: string): Promise<Row | undefined> {
  return callTable<Row | undefined>(
    table,
    () => table.getEntity(partitionKey, rowKey),
    new Map([[notFound, undefined]]),
  );
}

/** Entities in the order of their keys, at most `max`; none of a table that is not there yet. */
export function listRows(
  table: TableClient,
  filter: string,
  { max = Number.POSITIVE_INFINITY, select }: { max?: number; select?: string[] } = {},
): Promise<readonly Row[]> {
  return callTable<readonly Row[]>(
    table,
    async () => {
      const rows: Row[] = [];
      const query = table.listEntities({ queryOptions: { filter, ...(select && { select }) } });
      for await (const page of query.byPage({ maxPageSize: Math.min(max, rowsPageMax) })) {
        rows.push(...page);
        if (rows.length >= max) break;
      }
      return rows.slice(0, max);
    },
    new Map([[notFound, []]]),
  );
}

/** Part of a listing, and where it goes on; undefined at the end of the table. */
export interface RowsPart {
  readonly rows: readonly Row[];
  readonly next: string | undefined;
}

/** One page of a listing. The service may find few or none in one answer although there are more further on. */
export function listPart(
  table: TableClient,
  filter: string,
  { max, from, select }: { max: number; from: string | undefined; select: string[] },
): Promise<RowsPart> {
  return callTable<RowsPart>(
    table,
    async () => {
      const pages = table
        .listEntities({ queryOptions: { filter, select } })
        .byPage({ maxPageSize: Math.min(max, rowsPageMax), ...(from && { continuationToken: from }) });
      for await (const page of pages) return { rows: page, next: page.continuationToken };
      return { rows: [], next: undefined };
    },
    new Map([[notFound, { rows: [], next: undefined }]]),
  );
}

/** Runs a call; a status that `results` names is a result, any other failure a {@link StorageError}. */
async function callTable<T>(
  table: TableClient,
  work: () => Promise<T>,
  results: ReadonlyMap<number, T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const status = statusOf(error);
    if (status !== undefined && results.has(status)) return results.get(status) as T;
    throw new StorageError(table.tableName, error);
  }
}

function versionOf({ etag }: { readonly etag?: string | undefined }): string {
  if (etag === undefined) throw new Error('Table Storage answered without an ETag');
  return etag;
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : undefined;
}
