import { assert } from '../src/shared/assert.ts';
import type { LogRecord, NewRecord, OffsetRange, Page, ReadRequest } from './log.ts';
import type { LogDatabase } from './log-database.ts';
import type { Retention } from './topic.ts';

/**
 * One partition: a table of its own whose row id is the offset, so that appending, reading on and cutting off the
 * oldest touch only the rows concerned. Offsets may have gaps; those appended here have none.
 */
export interface Partition {
  /** Adds a record within the caller's transaction, which must end with `saveState` or, failed, `loadState`. */
  append(record: NewRecord, timestampMs: number): bigint;
  saveState(): void;
  loadState(): void;
  range(): OffsetRange;
  read(request: ReadRequest): Page;
  /** Removes the records below `offset` and moves the earliest offset there. */
  deleteBefore(offset: bigint): void;
  /**
   * Removes the oldest records while they are older than `ageMaxMs`, or while what remains without them still has
   * `bytesMax` bytes: as in Kafka, never down to less. Of the records that stay it looks at the oldest only.
   */
  enforceRetention(retention: Retention, nowMs: number): void;
  drop(): void;
}

/** Opens the partition of row `id` in `partitions`, making its table if there is none yet. */
export function openPartition(database: LogDatabase, id: number, number: number): Partition {
  const table = `records_${id}`;
  database.exec(`CREATE TABLE IF NOT EXISTS ${table} (
    offset INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL, bytes INTEGER NOT NULL, key TEXT, value TEXT NOT NULL)`);
  const statements = prepareStatements(database, table);
  let earliest: bigint;
  let latest: bigint;
  let bytes: number;

  const loadState = () => {
    const row = statements.load.get(id);
    assert(row !== undefined, `Partition row ${id} must exist.`);
    earliest = BigInt(String(row.earliest_offset));
    latest = BigInt(String(row.latest_offset));
    bytes = Number(row.bytes);
  };
  const saveState = () => {
    statements.save.run(earliest, latest, bytes, id);
  };
  const deleteBefore = (offset: bigint) => {
    assert(offset >= earliest && offset <= latest, `${offset} must lie in ${earliest}..${latest}.`);
    database.inTransaction(() => {
      bytes -= Number(statements.bytesBelow.get(offset)?.bytes);
      earliest = offset;
      statements.removeBelow.run(offset);
      saveState();
    }, loadState);
  };

  loadState();
  return {
    append: ({ key, value }, timestampMs) => {
      const offset = latest;
      const recordBytes = (key === null ? 0 : Buffer.byteLength(key)) + Buffer.byteLength(value);
      statements.insert.run(offset, timestampMs, recordBytes, key, value);
      latest += 1n;
      bytes += recordBytes;
      return offset;
    },
    saveState,
    loadState,
    range: () => ({ earliest, latest }),
    read: ({ offset, countMax, bytesMax }) => {
      const records: LogRecord[] = [];
      let pageBytes = 0;
      for (const row of statements.readFrom.iterate(offset)) {
        pageBytes += Number(row.bytes);
        const full = records.length === countMax || (pageBytes > bytesMax && records.length > 0);
        const next = BigInt(String(row.offset));
        if (full) return { records, nextOffset: next };
        records.push({
          partition: number,
          offset: next,
          timestampMs: Number(row.timestamp_ms),
          key: row.key === null ? null : String(row.key),
          value: String(row.value),
        });
      }
      return { records, nextOffset: latest };
    },
    deleteBefore,
    enforceRetention: ({ ageMaxMs, bytesMax }, nowMs) => {
      let keepFrom = earliest;
      let keptBytes = bytes;
      for (const row of statements.oldestFirst.iterate()) {
        keptBytes -= Number(row.bytes);
        if (nowMs - Number(row.timestamp_ms) <= ageMaxMs && keptBytes < bytesMax) break;
        keepFrom = BigInt(String(row.offset)) + 1n;
      }
      if (keepFrom > earliest) deleteBefore(keepFrom);
    },
    drop: () => database.exec(`DROP TABLE ${table}`),
  };
}

function prepareStatements(database: LogDatabase, table: string) {
  return {
    load: database.prepare('SELECT earliest_offset, latest_offset, bytes FROM partitions WHERE id = ?'),
    save: database.prepare(
      'UPDATE partitions SET earliest_offset = ?, latest_offset = ?, bytes = ? WHERE id = ?',
    ),
    insert: database.prepare(
      `INSERT INTO ${table} (offset, timestamp_ms, bytes, key, value) VALUES (?, ?, ?, ?, ?)`,
    ),
    readFrom: database.prepare(
      `SELECT offset, timestamp_ms, bytes, key, value FROM ${table} WHERE offset >= ? ORDER BY offset`,
    ),
    oldestFirst: database.prepare(`SELECT offset, timestamp_ms, bytes FROM ${table} ORDER BY offset`),
    bytesBelow: database.prepare(`SELECT total(bytes) AS bytes FROM ${table} WHERE offset < ?`),
    removeBelow: database.prepare(`DELETE FROM ${table} WHERE offset < ?`),
  };
}
