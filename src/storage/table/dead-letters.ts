import { odata, type TableClient } from '@azure/data-tables';
import { z } from 'zod';
import type { DeadLetter, DeadLetterStore } from '../../ingest/outbox-ports.ts';
import { cutDeadLetter } from '../dead-letter-entry.ts';
import { createTimeOrderedIds, sortableMs } from '../time-ordered-id.ts';
import { entityBytesMax, fromChunks, gzipText, toChunks } from './chunks.ts';
import { createRow, listRows, readRow } from './rows.ts';

const entrySchema = z
  .object({
    partitionKey: z.string(),
    rowKey: z.string(),
    id: z.string(),
    topic: z.exactOptional(z.string()),
    code: z.string(),
    message: z.string(),
    at: z.string().regex(/^\d+$/).transform(Number),
  })
  .transform(({ partitionKey: origin, rowKey: key, id, topic, code, message, at }) => ({
    origin,
    key,
    id,
    ...(topic !== undefined && { topic }),
    reason: { code, message },
    atMs: at,
  }));

const letterSchema = z.object({
  origin: z.string(),
  id: z.string(),
  topic: z.exactOptional(z.string()),
  reason: z.object({ code: z.string(), message: z.string() }),
  payload: z.string(),
  atMs: z.number(),
});

const entryProperties = ['PartitionKey', 'RowKey', 'id', 'topic', 'code', 'message', 'at'];

/**
 * Dead letters in Azure Table Storage: one partition an origin, one entity a letter. Properties hold what a list
 * shows; the chunks hold the whole letter as JSON. What one entity cannot hold goes on in the partition
 * `<origin>:more`, written before the letter itself, so that a letter that is listed is complete.
 */
export function createTableDeadLetters(table: TableClient, instance: string): DeadLetterStore {
  const newKey = createTimeOrderedIds(instance);

  return {
    async add(letter) {
      const key = newKey(letter.atMs);
      const bytes = await gzipText.encode(JSON.stringify(letter));
      const parts = Math.ceil(bytes.length / entityBytesMax);
      for (let part = 1; part < parts; part += 1) {
        const piece = bytes.subarray(part * entityBytesMax, (part + 1) * entityBytesMax);
        await createRow(table, { ...partKeys(letter.origin, key, part), ...toChunks(piece) });
      }
      const { origin, id, topic, reason, atMs } = cutDeadLetter(letter);
      await createRow(table, {
        partitionKey: origin,
        rowKey: key,
        id,
        ...(topic !== undefined && { topic }),
        ...reason,
        at: sortableMs(atMs),
        parts,
        ...toChunks(bytes.subarray(0, entityBytesMax)),
      });
    },

    async list(origin, max) {
      const filter = odata`PartitionKey eq ${origin}`;
      return (await listRows(table, filter, { max, select: entryProperties })).map((row) =>
        entrySchema.parse(row),
      );
    },

    async get(origin, key): Promise<DeadLetter | undefined> {
      const row = await readRow(table, origin, key);
      if (row === undefined) return undefined;
      const pieces = [fromChunks(row)];
      const { parts } = z.object({ parts: z.int() }).parse(row);
      for (let part = 1; part < parts; part += 1) {
        const { partitionKey, rowKey } = partKeys(origin, key, part);
        pieces.push(fromChunks(await readRow(table, partitionKey, rowKey)));
      }
      return letterSchema.parse(JSON.parse(await gzipText.decode(Buffer.concat(pieces))));
    },
  };
}

function partKeys(origin: string, key: string, part: number) {
  return { partitionKey: `${origin}:more`, rowKey: `${key}:${part}` };
}
