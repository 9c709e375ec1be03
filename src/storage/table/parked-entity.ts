import type { TableEntity } from '@azure/data-tables';
import { z } from 'zod';
import type { ParkedEntry, ParkedRecord, PartitionPlace } from '../../drain/ports.ts';
import { recordSchema, toRecordJson } from '../../drain/record-json.ts';
import { sortableOffset } from '../../events/record.ts';
import { attemptsSchema } from './attempts-schema.ts';
import { fromChunks, gzipText, pieceBytesMax, toChunks } from './chunks.ts';

const piecePrefix = 'more';

/** A property holds 32,768 characters; of a record with a longer key the whole is read. */
const shownKeyCharsMax = 8_000;

/** What a list of parked rows asks for: all but the payload. */
export const entryProperties = ['PartitionKey', 'RowKey', 'key', 'failures', 'nextAttemptMs'];

// Times are text: a number beyond 32 bits may come back as another type.
const ms = z
  .string()
  .regex(/^\d+(\.\d+)?$/)
  .transform(Number);

const entrySchema = z
  .object({
    rowKey: z.string().regex(/^\d+$/).transform(BigInt),
    key: z.exactOptional(z.string()),
    failures: z.int(),
    nextAttemptMs: ms,
  })
  .transform(({ rowKey: offset, key, ...due }) => ({
    offset,
    // Undefined: too long for a list.
    key: key === undefined ? undefined : z.string().nullable().parse(JSON.parse(key)),
    ...due,
  }));

const piecesSchema = z.object({ parts: z.int(), pieces: z.string() });

const payloadSchema = z.object({
  record: recordSchema,
  attempts: attemptsSchema,
});

/** The partition of the table that holds what a subscription parks of a partition; no name in it has a colon. */
export function parkedPartitionKey({ subscription, topic, partition }: PartitionPlace): string {
  return `${subscription}:${topic}:${partition}`;
}

/** The row of a parked record; such keys sort like the offsets, before all others. */
export function parkedRowKey(offset: bigint): string {
  return sortableOffset(offset);
}

/** The row key of the parked record that a row belongs to, which may be that row itself. */
export function ownerOf(rowKey: string): string {
  return rowKey.startsWith(piecePrefix) ? (rowKey.split(':')[1] ?? '') : rowKey;
}

/**
 * A parked record as rows, its own the last: gzip of JSON, and what one entity cannot hold of it in further ones. The
 * key is there for lists, as JSON, since a key can hold what a property cannot.
 *
 * @param generation is used once, so that a record which replaces another shares no row with it but its own.
 */
export async function toParkedRows(
  partitionKey: string,
  { record, failures, nextAttemptMs, attempts }: ParkedRecord,
  generation: string,
): Promise<TableEntity<Record<string, unknown>>[]> {
  const { offset, key } = record;
  const bytes = await gzipText.encode(JSON.stringify({ record: toRecordJson(record), attempts }));
  const parts = Math.ceil(bytes.length / pieceBytesMax);
  const rowKey = parkedRowKey(offset);
  const pieces = `${piecePrefix}:${rowKey}:${generation}`;
  const shownKey = JSON.stringify(key);
  const rows = Array.from({ length: parts }, (_, part) => ({
    partitionKey,
    rowKey: pieceKey(pieces, part),
    ...toChunks(bytes.subarray(part * pieceBytesMax, (part + 1) * pieceBytesMax)),
  }));
  const [first, ...further] = rows;
  return [
    ...further,
    {
      ...first,
      partitionKey,
      rowKey,
      ...(shownKey.length <= shownKeyCharsMax && { key: shownKey }),
      failures,
      nextAttemptMs: String(nextAttemptMs),
      parts,
      pieces,
    },
  ];
}

/** A parked record as a list shows it; `key` is undefined where it is too long for a list. */
export type ListedEntry = Omit<ParkedEntry, 'key'> & { readonly key: string | null | undefined };

/**
 * Reads the row of a parked record as a list shows it.
 *
 * @throws {z.ZodError} when something else than {@link toParkedRows} wrote it.
 */
export function fromParkedEntry(row: unknown): ListedEntry {
  return entrySchema.parse(row);
}

/** The keys of the rows in which a parked record goes on. */
export function furtherRowKeys(row: unknown): string[] {
  const { parts, pieces } = piecesSchema.parse(row);
  return Array.from({ length: parts - 1 }, (_, index) => pieceKey(pieces, index + 1));
}

/**
 * Reads a parked record back from its row and those in which it goes on.
 *
 * @throws when something else than {@link toParkedRows} wrote them.
 */
export async function fromParkedRows(rows: readonly unknown[]): Promise<ParkedRecord> {
  const { failures, nextAttemptMs } = fromParkedEntry(rows[0]);
  const text = await gzipText.decode(Buffer.concat(rows.map(fromChunks)));
  return { failures, nextAttemptMs, ...payloadSchema.parse(JSON.parse(text)) };
}

function pieceKey(pieces: string, part: number): string {
  return `${pieces}:${part}`;
}
