import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { z } from 'zod';
import type { TextCodec } from '../record-batches.ts';

// Limits of an entity: 64 KiB a property, 1 MiB in all (learn.microsoft.com, "Understanding the Table service data
// model"). The sixteenth chunk's room is left to keys, names and the other properties.
const chunkBytesMax = 65_536;
const chunksMax = 15;

/** The most that the chunks of one entity hold. */
const entityBytesMax = chunkBytesMax * chunksMax;

/**
 * Of what needs several entities, the most that goes into one. It leaves room for properties that come later; and the
 * emulator measures an entity that replaces another in base64.
 */
export const pieceBytesMax = chunkBytesMax * 11;

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);
/** Looks at no property: most rows have many, of which few are chunks. */
const rowSchema = z.custom<Readonly<Record<string, unknown>>>(
  (row) => typeof row === 'object' && row !== null,
);
const chunkSchema = z.instanceof(Uint8Array);

/** Text as gzip of its UTF-8. */
export const gzipText: TextCodec = {
  encode: (text) => gzipAsync(text),
  decode: async (bytes) => (await gunzipAsync(bytes)).toString('utf8'),
};

/** Bytes as binary properties of one entity, `data0`, `data1` and so on. */
export function toChunks(bytes: Uint8Array): Record<string, Uint8Array> {
  if (bytes.length > entityBytesMax) throw new RangeError(`an entity holds at most ${entityBytesMax} bytes`);
  const count = Math.ceil(bytes.length / chunkBytesMax);
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `data${index}`,
      bytes.subarray(index * chunkBytesMax, (index + 1) * chunkBytesMax),
    ]),
  );
}

/**
 * Reads the bytes of an entity back.
 *
 * @throws {z.ZodError} when something else than {@link toChunks} wrote a chunk.
 */
export function fromChunks(row: unknown): Uint8Array {
  const properties = rowSchema.parse(row);
  const chunks: Uint8Array[] = [];
  for (let index = 0; properties[`data${index}`] !== undefined; index += 1) {
    chunks.push(chunkSchema.parse(properties[`data${index}`]));
  }
  return Buffer.concat(chunks);
}
