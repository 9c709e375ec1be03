import { createHash } from 'node:crypto';
import { odata, type TableClient } from '@azure/data-tables';
import { z } from 'zod';
import type { Receipt, ReceiptStore } from '../../ingest/receipts.ts';
import { forEachLimited } from '../../shared/concurrency.ts';
import { parseJson } from '../../shared/json.ts';
import { sortableMs } from '../time-ordered-id.ts';
import { fromChunks, gzipText, toChunks } from './chunks.ts';
import { createRow, decodeRow, deleteRow, listPart, readRow, replaceRow } from './rows.ts';

const sweepPartsMax = 20;
const deletesMax = 16;
/** A property holds 32,768 characters; the id is there for people who look into the table. */
const shownIdCharsMax = 1_000;

const receiptSchema = z.object({ expires: z.string().regex(/^\d+$/).transform(Number), etag: z.string() });
const outcomeSchema = z.object({ outcome: z.unknown() });
const keysSchema = z.object({ partitionKey: z.string(), rowKey: z.string(), etag: z.string() });

/**
 * Receipts in Azure Table Storage: one partition a source, one entity an id under the SHA-256 of that id, since ids
 * from outside may hold anything.
 */
export function createTableReceipts(table: TableClient): ReceiptStore {
  /** Where the last sweep ended; undefined: at the end of the table. */
  let sweptTo: string | undefined;

  return {
    async find(source, id, nowMs) {
      const row = await readRow(table, source, hashOf(id));
      if (row === undefined) return undefined;
      return decodeRow(table, row, async () => {
        const { expires } = receiptSchema.parse(row);
        if (expires <= nowMs) return undefined;
        const { outcome } = outcomeSchema.parse(parseJson(await gzipText.decode(fromChunks(row))));
        return { outcome, expiresAtMs: expires };
      });
    },

    async save(source, id, receipt, nowMs) {
      const entity = await toEntity(source, id, receipt);
      if ((await createRow(table, entity)) !== undefined) return true;
      const row = await readRow(table, source, hashOf(id));
      // Swept just now, so it had expired; the next repeat is produced once more, as after any expiry.
      if (row === undefined) return false;
      const { expires, etag } = await decodeRow(table, row, () => receiptSchema.parse(row));
      return expires <= nowMs && (await replaceRow(table, entity, etag)) !== undefined;
    },

    async sweep(nowMs, max) {
      // A receipt's time is in no key, so a sweep reads through the table, a part of it at a time.
      const filter = odata`expires le ${sortableMs(nowMs)}`;
      let swept = 0;
      for (let parts = 0; parts < sweepPartsMax && swept < max; parts += 1) {
        const options = { max: max - swept, from: sweptTo, select: ['PartitionKey', 'RowKey'] };
        const { rows, next } = await listPart(table, filter, options);
        await forEachLimited(rows, deletesMax, async (row) => {
          const { etag, ...keys } = keysSchema.parse(row);
          // Only as it was read: a new receipt may have taken the place of the expired one.
          if (await deleteRow(table, keys, etag)) swept += 1;
        });
        sweptTo = next;
        if (next === undefined) break;
      }
      return swept;
    },
  };
}

async function toEntity(source: string, id: string, { outcome, expiresAtMs }: Receipt) {
  return {
    partitionKey: source,
    rowKey: hashOf(id),
    id: id.slice(0, shownIdCharsMax),
    expires: sortableMs(expiresAtMs),
    ...toChunks(await gzipText.encode(JSON.stringify({ outcome }))),
  };
}

function hashOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url');
}
