import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { describeError, SluiceError } from '../src/shared/error.ts';

/** The SQLite file behind a log. Every integer read from it is a bigint: offsets never pass through a float. */
export interface LogDatabase {
  prepare(sql: string): StatementSync;
  exec(sql: string): void;
  /** Runs `work` in a transaction; when it throws, rolls back, calls `onRollback` and throws the same. */
  inTransaction<T>(work: () => T, onRollback?: () => void): T;
  close(): void;
}

/**
 * Opens the file `path` (or `:memory:`) for this process alone, making the tables a log needs.
 *
 * @throws {SluiceError} when it cannot be opened, is no log, or is open elsewhere.
 */
export function openDatabase(path: string): LogDatabase {
  const database = open(path);
  const begin = database.prepare('BEGIN IMMEDIATE');
  const commit = database.prepare('COMMIT');
  return {
    prepare: (sql) => database.prepare(sql),
    exec: (sql) => database.exec(sql),
    inTransaction: (work, onRollback) => {
      begin.run();
      try {
        const result = work();
        commit.run();
        return result;
      } catch (error) {
        // After some errors, such as a full disk, SQLite has already rolled back by itself.
        if (database.isTransaction) database.exec('ROLLBACK');
        onRollback?.();
        throw error;
      }
    },
    close: () => database.close(),
  };
}

function open(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readBigInts: true });
    database.exec(schema);
    return database;
  } catch (error) {
    database?.close();
    throw new SluiceError({
      code: 'proxy.log',
      message:
        `the log ${path} cannot be opened (${describeError(error)}): it must be a file that a proxy has made, ` +
        'or none yet in a folder that is there, and no other process may have it open',
      retryable: false,
      cause: error,
    });
  }
}

// A page holds several usual records. The exclusive lock is taken by the first transaction and kept until close.
const schema = `
  PRAGMA page_size = 16384;
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  BEGIN EXCLUSIVE;
  CREATE TABLE IF NOT EXISTS topics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    created_at_ms INTEGER NOT NULL,
    replication_factor INTEGER NOT NULL,
    properties TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS partitions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic_id INTEGER NOT NULL REFERENCES topics (id),
    number INTEGER NOT NULL,
    earliest_offset INTEGER NOT NULL DEFAULT 0,
    latest_offset INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic_id, number)
  );
  COMMIT;`;
