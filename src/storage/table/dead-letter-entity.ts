import { z } from 'zod';
import type { DeadLetter, DeadLetterEntry } from '../../events/dead-letter.ts';
import { cutDeadLetter, type Settlement, unsettled } from '../dead-letter-entry.ts';
import { sortableMs } from '../time-ordered-id.ts';
import { attemptsSchema } from './attempts-schema.ts';
import { gzipText } from './chunks.ts';

const time = z.string().regex(/^\d+$/).transform(Number);

const settlementSchema = z.object({
  state: z.enum(['open', 'redriven', 'discarded']),
  laterCount: z.int(),
});

const laterSchema = z.object({
  later: z.instanceof(Uint8Array),
  claimedUntil: time,
  /** Names the call that claimed or settled it last. */
  settledBy: z.string(),
  etag: z.string(),
});

const entrySchema = settlementSchema
  .extend({
    partitionKey: z.string(),
    rowKey: z.string(),
    id: z.string(),
    topic: z.exactOptional(z.string()),
    code: z.string(),
    message: z.string(),
    at: time,
    attemptCount: z.int(),
  })
  .transform(
    ({ partitionKey: origin, rowKey: key, code, message, at, attemptCount, laterCount, ...entry }) => ({
      ...entry,
      origin,
      key,
      reason: { code, message },
      atMs: at,
      attemptCount: attemptCount + laterCount,
    }),
  );

const letterSchema = z.object({
  origin: z.string(),
  id: z.string(),
  topic: z.exactOptional(z.string()),
  reason: z.object({ code: z.string(), message: z.string() }),
  payload: z.string(),
  atMs: z.number(),
  attempts: z.exactOptional(attemptsSchema),
});

const partsSchema = z.object({ parts: z.int(), pieces: z.string() });

/** What a list asks for: all but the letter itself. */
export const entryProperties = [
  ...['PartitionKey', 'RowKey', 'id', 'topic', 'code', 'message', 'at'],
  ...['attemptCount', 'state', 'laterCount'],
];

/** What claiming and settling ask for. */
export const settlementProperties = [
  ...['PartitionKey', 'RowKey', 'state', 'laterCount', 'later'],
  ...['claimedUntil', 'settledBy'],
];

/** The properties of a new letter's row, without its chunks. */
export async function toEntryEntity(
  key: string,
  letter: DeadLetter,
  pieces: { parts: number; pieces: string },
) {
  const { origin, id, topic, reason, atMs, attemptCount } = cutDeadLetter(letter);
  return {
    partitionKey: origin,
    rowKey: key,
    id,
    ...(topic !== undefined && { topic }),
    ...reason,
    at: sortableMs(atMs),
    attemptCount,
    ...pieces,
    ...(await toSettlementProperties(unsettled)),
  };
}

/**
 * Reads a letter's row as a list shows it.
 *
 * @throws {z.ZodError} when something else than {@link toEntryEntity} wrote it.
 */
export function fromEntryEntity(row: unknown): DeadLetterEntry {
  return entrySchema.parse(row);
}

/** The keys of the rows in which a letter goes on. */
export function furtherKeys(row: unknown, origin: string) {
  const { parts, pieces } = partsSchema.parse(row);
  return Array.from({ length: parts - 1 }, (_, index) => pieceKeys(origin, pieces, index + 1));
}

/** The keys of one of the rows in which a letter goes on. */
export function pieceKeys(origin: string, pieces: string, part: number) {
  return { partitionKey: `${origin}:more`, rowKey: `${pieces}:${part}` };
}

/** @throws when it is not the JSON of a letter. */
export function parseLetter(text: string): DeadLetter {
  return letterSchema.parse(JSON.parse(text));
}

/**
 * The properties that claiming and settling change. The attempts fit into one property: there are 20 at most, with
 * answers of at most 1,000 characters.
 */
export async function toSettlementProperties(settlement: Settlement) {
  const { state, later, laterCount, claimedUntilMs, writtenBy: settledBy } = settlement;
  const claimedUntil = sortableMs(claimedUntilMs);
  return { state, laterCount, claimedUntil, settledBy, later: await gzipText.encode(JSON.stringify(later)) };
}

/**
 * Reads back what became of a letter.
 *
 * @throws when something else than {@link toSettlementProperties} wrote it.
 */
export async function fromSettlementProperties(row: unknown) {
  const { later, claimedUntil: claimedUntilMs, settledBy: writtenBy, etag } = laterSchema.parse(row);
  const attempts = attemptsSchema.parse(JSON.parse(await gzipText.decode(later)));
  const settlement = { ...settlementSchema.parse(row), later: attempts, claimedUntilMs, writtenBy };
  return { etag, settlement };
}
