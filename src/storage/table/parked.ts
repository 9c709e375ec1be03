import { odata, type TableClient, type TransactionAction } from '@azure/data-tables';
import type {
  ParkedChange,
  ParkedEntry,
  ParkedPartition,
  ParkedRecord,
  ParkedStore,
} from '../../drain/ports.ts';
import { assert } from '../../shared/assert.ts';
import { ContendedRowError, UnreadableEntityError } from '../storage-error.ts';
import { createTimeOrderedIds } from '../time-ordered-id.ts';
import { type Fence, type FencedOutcome, fenceKey, takeFence } from './fence.ts';
import {
  entryProperties,
  fromParkedEntry,
  fromParkedRows,
  furtherRowKeys,
  ownerOf,
  parkedPartitionKey,
  parkedRowKey,
  toParkedRows,
} from './parked-entity.ts';
import { decodeRow, listRows, type Row, readRow } from './rows.ts';
import { transactionsOf } from './transactions.ts';

const writeTriesMax = 3;
const readTriesMax = 3;

/**
 * Parked records in Azure Table Storage: one partition a subscription and partition of a topic, one row a record
 * under its offset, further rows for what one cannot hold, and the fence.
 *
 * Changes are written one after another in as few transactions as they fit into. The row under the offset is what
 * counts: it is written after those in which it goes on, and deleted before them. So whatever a crash leaves behind
 * is either a whole record or rows that belong to none, which the next write deletes.
 */
export function createTableParkedStore(table: TableClient, instance: string): ParkedStore {
  const newHolder = createTimeOrderedIds(instance);
  return {
    async open(place, epoch) {
      const partitionKey = parkedPartitionKey(place);
      const holder = newHolder(0);
      return openPartition({
        table,
        partitionKey,
        holder,
        fence: await takeFence(table, { partitionKey, holder, epoch }),
      });
    },
  };
}

interface Opening {
  readonly table: TableClient;
  readonly partitionKey: string;
  readonly holder: string;
  readonly fence: Fence;
}

async function openPartition(opening: Opening): Promise<ParkedPartition> {
  const { table, partitionKey, fence } = opening;
  const first = await listParked(opening);
  /** The rows of each record that has any, by the key of its own row; undefined after a write that failed. */
  let known: RowKeys | undefined = keysOf(first);
  let generations = 0;
  let writing = false;

  async function writeOnce(changes: readonly ParkedChange[]): Promise<FencedOutcome> {
    if (known === undefined) {
      if (!(await fence.isHeld())) return 'lost';
      known = keysOf(await listParked(opening));
    }
    const rowKeys = known;
    known = undefined;
    for await (const actions of transactionsOf(actionsOf(changes, rowKeys))) {
      const outcome = await fence.write(actions);
      if (outcome !== 'written') return outcome;
    }
    known = rowKeys;
    return 'written';
  }

  /** The actions that make the changes; brings `rowKeys` to where they leave it. */
  async function* actionsOf(
    changes: readonly ParkedChange[],
    rowKeys: RowKeys,
  ): AsyncGenerator<TransactionAction> {
    for (const [owner, rows] of rowKeys) if (!rows.has(owner)) yield* replaceRows(rowKeys, owner, []);
    for (const change of changes) {
      if (change.kind === 'remove') {
        yield* replaceRows(rowKeys, parkedRowKey(change.offset), []);
        continue;
      }
      generations += 1;
      const rows = await toParkedRows(partitionKey, change.parked, `${opening.holder}-${generations}`);
      yield* replaceRows(rowKeys, parkedRowKey(change.parked.record.offset), rows);
    }
  }

  function* replaceRows(
    rowKeys: RowKeys,
    owner: string,
    rows: Awaited<ReturnType<typeof toParkedRows>>,
  ): Generator<TransactionAction> {
    for (const row of rows) yield ['upsert', row, 'Replace'];
    const fresh = new Set(rows.map(({ rowKey }) => rowKey));
    const old = [...(rowKeys.get(owner) ?? [])].filter((rowKey) => !fresh.has(rowKey));
    // Its own row sorts before the others.
    for (const rowKey of old.sort()) yield ['delete', { partitionKey, rowKey }];
    if (fresh.size === 0) rowKeys.delete(owner);
    else rowKeys.set(owner, fresh);
  }

  return {
    entries: await entriesOf(opening, first),
    read: (offset) => readParked(opening, offset),
    async write(changes) {
      assert(!writing, 'writes to parked records come one after another');
      writing = true;
      try {
        for (let tries = 0; tries < writeTriesMax; tries += 1) {
          const outcome = await writeOnce(changes);
          if (outcome !== 'refused') return outcome === 'written';
        }
        throw new ContendedRowError(table.tableName, { partitionKey, rowKey: fenceKey });
      } finally {
        writing = false;
      }
    },
  };
}

type RowKeys = Map<string, ReadonlySet<string>>;

function listParked({ table, partitionKey }: Opening): Promise<readonly Row[]> {
  return listRows(table, odata`PartitionKey eq ${partitionKey} and RowKey ne ${fenceKey}`, {
    select: entryProperties,
  });
}

function keysOf(rows: readonly Row[]): RowKeys {
  const rowKeys = new Map<string, Set<string>>();
  for (const { rowKey = '' } of rows) {
    const owner = ownerOf(rowKey);
    rowKeys.set(owner, (rowKeys.get(owner) ?? new Set()).add(rowKey));
  }
  return rowKeys;
}

async function entriesOf(opening: Opening, rows: readonly Row[]): Promise<readonly ParkedEntry[]> {
  const entries: ParkedEntry[] = [];
  for (const row of rows.filter(({ rowKey = '' }) => ownerOf(rowKey) === rowKey)) {
    const { key, ...entry } = await decodeRow(opening.table, row, () => fromParkedEntry(row));
    if (key !== undefined) {
      entries.push({ ...entry, key });
      continue;
    }
    const parked = await readParked(opening, entry.offset);
    // Gone: somebody else has opened the partition since.
    if (parked !== undefined) entries.push({ ...entry, key: parked.record.key });
  }
  return entries;
}

async function readParked(opening: Opening, offset: bigint): Promise<ParkedRecord | undefined> {
  const { table, partitionKey } = opening;
  const rowKey = parkedRowKey(offset);
  for (let tries = 0; tries < readTriesMax; tries += 1) {
    const row = await readRow(table, partitionKey, rowKey);
    if (row === undefined) return undefined;
    const furtherKeys = await decodeRow(table, row, () => furtherRowKeys(row));
    const further = await Promise.all(furtherKeys.map((key) => readRow(table, partitionKey, key)));
    // One is missing when somebody else, who has opened the partition, replaces the record now.
    if (further.includes(undefined)) continue;
    return decodeRow(table, row, () => fromParkedRows([row, ...further]));
  }
  throw new UnreadableEntityError(table.tableName, { partitionKey, rowKey }, new Error('a part is missing'));
}
