import type { TableClient, TableEntity, TableEntityResult, TransactionAction } from '@azure/data-tables';
import { SluiceError } from '../../shared/error.ts';
import { StorageError, UnreadableEntityError } from '../storage-error.ts';

/** Answers of Table Storage that are results: the entity or the table is missing, is there already, or has changed. */
const notFound = 404;
const alreadyExists = 409;
const conditionNotMet = 412;

/** The service gives at most this many entities in one answer. */
const rowsPageMax = 1_000;

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
      await submit(
        table,
        entities.map((entity) => ['create', entity]),
      );
      return true;
    },
    new Map([[alreadyExists, false]]),
  );
}

/**
 * Makes changes to one partition of a table that exists, all or none, and tells the version that the first of them
 * left; undefined when one of them is refused, because a row is missing, is there already, or has changed.
 */
export function changeRowsAtOnce(
  table: TableClient,
  changes: readonly TransactionAction[],
): Promise<string | undefined> {
  return callTable<string | undefined>(
    table,
    async () => versionOf((await submit(table, changes))[0] ?? {}),
    new Map([
      [notFound, undefined],
      [alreadyExists, undefined],
      [conditionNotMet, undefined],
    ]),
  );
}

/** Replaces the entity that has `version` and tells its new one; undefined when it is gone or has changed. */
export function replaceRow(
  table: TableClient,
  entity: TableEntity,
  version: string,
): Promise<string | undefined> {
  return updateRow(table, entity, version, 'Replace');
}

/** Like {@link replaceRow}, but properties that `entity` does not name stay as they are. */
export function mergeRow(
  table: TableClient,
  entity: TableEntity,
  version: string,
): Promise<string | undefined> {
  return updateRow(table, entity, version, 'Merge');
}

function updateRow(
  table: TableClient,
  entity: TableEntity,
  version: string,
  mode: 'Merge' | 'Replace',
): Promise<string | undefined> {
  return callTable<string | undefined>(
    table,
    async () => versionOf(await table.updateEntity(entity, mode, { etag: version })),
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

/** One entity, or the properties of it that `select` names; undefined when there is none. */
export async function readRow(
  table: TableClient,
  partitionKey: string,
  rowKey: string,
  select?: string[],
): Promise<Row | undefined> {
  // The service would answer to such a key as if it had failed itself.
  if (!isKey(partitionKey) || !isKey(rowKey)) return undefined;
  return callTable<Row | undefined>(
    table,
    async () =>
      withoutNulls(await table.getEntity(partitionKey, rowKey, select && { queryOptions: { select } })),
    new Map([[notFound, undefined]]),
  );
}

/** What no key can hold, and how long one can be (learn.microsoft.com, "Understanding the Table service data model"). */
const noKey = /[/\\#?\p{Cc}]/u;
const keyCharsMax = 512;

function isKey(text: string): boolean {
  return text.length <= keyCharsMax && !noKey.test(text);
}

/** Which rows are listed, and how many. */
export interface ListOptions {
  readonly max?: number;
  readonly select?: string[];
}

/** Entities in the order of their keys, at most `max`; none of a table that is not there yet. */
export function listRows(
  table: TableClient,
  filter: string,
  { max = Number.POSITIVE_INFINITY, select }: ListOptions = {},
): Promise<readonly Row[]> {
  return callTable<readonly Row[]>(
    table,
    async () => {
      const rows: Row[] = [];
      const query = table.listEntities({ queryOptions: { filter, ...(select && { select }) } });
      for await (const page of query.byPage({ maxPageSize: Math.min(max, rowsPageMax) })) {
        rows.push(...page.map(withoutNulls));
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

/** Reads what a row holds; a failure to is an {@link UnreadableEntityError} which names the row. */
export async function decodeRow<T>(
  table: TableClient,
  row: { readonly partitionKey?: string; readonly rowKey?: string },
  read: () => T | Promise<T>,
): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new UnreadableEntityError(table.tableName, row, error);
  }
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

/** Runs a transaction and gives the answer to each of its changes. */
async function submit(
  table: TableClient,
  changes: readonly TransactionAction[],
): Promise<readonly { readonly etag?: string }[]> {
  const { subResponses } = await table.submitTransaction([...changes]);
  // The client reads failures out of the answer's text; only what it surely read as success counts.
  const written = subResponses.filter(({ status }) => status >= 200 && status < 300);
  if (written.length !== changes.length) throw new Error('Table Storage did not confirm every entity');
  return written;
}

/** A property that was selected but is not there may come as null (learn.microsoft.com, "Query entities"). */
function withoutNulls(row: Row): Row {
  for (const [name, value] of Object.entries(row)) if (value === null) delete row[name];
  return row;
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
