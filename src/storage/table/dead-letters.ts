import { createHash } from 'node:crypto';
import { odata, type TableClient } from '@azure/data-tables';
import type { DeadLetter, DeadLetterStore } from '../../events/dead-letter.ts';
import { isFree, nthKey, refusedClaim, type Settlement, settle, withLater } from '../dead-letter-entry.ts';
import { ContendedRowError } from '../storage-error.ts';
import { createTimeOrderedIds } from '../time-ordered-id.ts';
import { fromChunks, gzipText, pieceBytesMax, toChunks } from './chunks.ts';
import {
  entryProperties,
  fromEntryEntity,
  fromSettlementProperties,
  furtherKeys,
  parseLetter,
  pieceKeys,
  settlementProperties,
  toEntryEntity,
  toSettlementProperties,
} from './dead-letter-entity.ts';
import { createRow, decodeRow, listRows, mergeRow, readRow } from './rows.ts';

const settleTriesMax = 10;

/**
 * Dead letters in Azure Table Storage: one partition an origin, one entity a letter. Properties hold what a list
 * shows; the chunks hold the whole letter as JSON, which never changes. What one entity cannot hold goes on in the
 * partition `<origin>:more`, written before the letter itself, so that a letter that is listed is complete. Those
 * rows are named for what they hold, so that letters of one key share none but those that are the same.
 */
export function createTableDeadLetters(table: TableClient, instance: string): DeadLetterStore {
  const newId = createTimeOrderedIds(instance);
  return {
    add: (letter, key = newId(letter.atMs)) => addLetter(table, letter, key),

    /** Steps from partition to partition, so there is no list of origins which could miss one. */
    async origins() {
      const origins: string[] = [];
      for (let last = ''; ; ) {
        const filter = odata`PartitionKey gt ${last}`;
        const [row] = await listRows(table, filter, { max: 1, select: ['PartitionKey', 'RowKey', 'code'] });
        if (row?.partitionKey === undefined) return origins;
        last = row.partitionKey;
        // Else it is a partition in which letters of another one go on.
        if (row.code !== undefined) origins.push(last);
      }
    },

    async list(origin, { max, state, afterKey = '' }) {
      const further = odata`PartitionKey eq ${origin} and RowKey gt ${afterKey}`;
      const filter = state === undefined ? further : `${further} and ${odata`state eq ${state}`}`;
      const rows = await listRows(table, filter, { max, select: entryProperties });
      return Promise.all(rows.map((row) => decodeRow(table, row, () => fromEntryEntity(row))));
    },

    get: (origin, key) => getLetter(table, origin, key),

    async claim(origin, key, { nowMs, untilMs }) {
      const claim = newId(0);
      const found = await rewrite(origin, key, claim, (before) =>
        isFree(before, nowMs) ? { ...before, claimedUntilMs: untilMs, writtenBy: claim } : undefined,
      );
      return found?.writtenBy === claim ? { outcome: 'claimed', claim } : refusedClaim(found);
    },

    async settle(origin, key, { claim, ...to }) {
      const call = newId(0);
      const found = await rewrite(origin, key, call, (before) =>
        before.writtenBy === claim ? settle(before, to, call) : undefined,
      );
      return found?.writtenBy === call;
    },
  };

  /**
   * Writes what `next` makes of a letter, however many others write too, and tells how the letter then stands. Where
   * `next` gives nothing the letter stays as it is; undefined: there is none.
   */
  async function rewrite(
    origin: string,
    key: string,
    call: string,
    next: (before: Settlement) => Settlement | undefined,
  ): Promise<Settlement | undefined> {
    const keys = { partitionKey: origin, rowKey: key };
    for (let tries = 0; tries < settleTriesMax; tries += 1) {
      const row = await readRow(table, origin, key, settlementProperties);
      if (row === undefined) return undefined;
      const { etag, settlement } = await decodeRow(table, row, () => fromSettlementProperties(row));
      // This very call has written it, and the answer was lost.
      if (settlement.writtenBy === call) return settlement;
      const after = next(settlement);
      if (after === undefined) return settlement;
      const entity = { ...keys, ...(await toSettlementProperties(after)) };
      if ((await mergeRow(table, entity, etag)) !== undefined) return after;
    }
    throw new ContendedRowError(table.tableName, keys);
  }
}

async function addLetter(table: TableClient, letter: DeadLetter, key: string): Promise<void> {
  const { origin, payload } = letter;
  const bytes = await gzipText.encode(JSON.stringify(letter));
  const parts = Math.ceil(bytes.length / pieceBytesMax);
  const pieces = `${key}:${createHash('sha256').update(bytes).digest('base64url')}`;
  const pieceOf = (part: number) =>
    toChunks(bytes.subarray(part * pieceBytesMax, (part + 1) * pieceBytesMax));

  // Ends at the first key that is free.
  for (let count = 1; ; count += 1) {
    const rowKey = nthKey(key, count);
    const known = parts > 1 ? await getLetter(table, origin, rowKey) : undefined;
    if (known === undefined) {
      for (let part = 1; part < parts; part += 1) {
        await createRow(table, { ...pieceKeys(origin, pieces, part), ...pieceOf(part) });
      }
      const entity = { ...(await toEntryEntity(rowKey, letter, { parts, pieces })), ...pieceOf(0) };
      if ((await createRow(table, entity)) !== undefined) return;
    }
    const found = known ?? (await getLetter(table, origin, rowKey));
    if (found?.state === 'open' && found.letter.payload === payload) return;
  }
}

async function getLetter(table: TableClient, origin: string, key: string) {
  const row = await readRow(table, origin, key);
  if (row === undefined) return undefined;
  return decodeRow(table, row, async () => {
    const chunks = [fromChunks(row)];
    for (const { partitionKey, rowKey } of furtherKeys(row, origin)) {
      chunks.push(fromChunks(await readRow(table, partitionKey, rowKey)));
    }
    const letter = parseLetter(await gzipText.decode(Buffer.concat(chunks)));
    const { settlement } = await fromSettlementProperties(row);
    return { letter: withLater(letter, settlement), state: settlement.state };
  });
}
