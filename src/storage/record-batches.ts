import { z } from 'zod';
import { RecordTooLargeError } from '../ingest/outbox-ports.ts';
import type { OutgoingRecord } from '../ingest/ports.ts';
import { assert } from '../shared/assert.ts';
import { parseJson } from '../shared/json.ts';

/** An entity holds somewhat more, so that a batch which loses some of its records surely fits again. */
const batchBytesMax = 900_000;

/** Text to bytes and back. */
export interface TextCodec {
  encode(text: string): Promise<Uint8Array>;
  decode(bytes: Uint8Array): Promise<string>;
}

const recordsSchema = z.array(
  z.object({
    value: z.unknown(),
    key: z.exactOptional(z.string()),
    partition: z.exactOptional(z.int()),
  }),
);

/**
 * Packs records into as many pieces as they need, in their order; mostly one.
 *
 * @throws {RecordTooLargeError} when a record fits into no piece.
 */
export async function packRecords(
  records: readonly OutgoingRecord[],
  codec: TextCodec,
): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  const waiting = records.length === 0 ? [] : [{ from: 0, to: records.length }];
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    const { from, to } = part;
    const bytes = await codec.encode(JSON.stringify(records.slice(from, to)));
    if (bytes.length <= batchBytesMax) {
      pieces.push(bytes);
      continue;
    }
    if (to - from === 1) throw new RecordTooLargeError(from, bytes.length, batchBytesMax);
    const middle = (from + to) >> 1;
    waiting.push({ from: middle, to }, { from, to: middle });
  }
  return pieces;
}

/** Packs what is left of the records of one piece. */
export async function repackRecords(
  records: readonly OutgoingRecord[],
  codec: TextCodec,
): Promise<Uint8Array> {
  const [piece, ...more] = await packRecords(records, codec);
  assert(piece !== undefined && more.length === 0, 'a batch is replaced by some of its own records');
  return piece;
}

/**
 * The records of one piece, no number in them changed.
 *
 * @throws when something else than {@link packRecords} wrote it.
 */
export async function unpackRecords(bytes: Uint8Array, codec: TextCodec): Promise<readonly OutgoingRecord[]> {
  return recordsSchema.parse(parseJson(await codec.decode(bytes)));
}
