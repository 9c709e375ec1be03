import { z } from 'zod';
import type { TopicRecord } from '../events/record.ts';

/** A JSON number does not hold all of them. */
const int64 = z
  .string()
  .regex(/^-?\d+$/)
  .transform(BigInt);

/** Reads a record back that is kept as JSON, as {@link toRecordJson} has made it. */
export const recordSchema = z.object({
  topic: z.string(),
  partition: z.int(),
  offset: int64,
  key: z.string().nullable(),
  value: z.string().nullable(),
  timestampMs: int64,
});

/**
 * A record as it is kept as JSON: in a dead letter, or parked. Its members stand in one order, since a letter that is
 * added again is known by its payload.
 */
export function toRecordJson(record: TopicRecord): z.input<typeof recordSchema> {
  const { topic, partition, offset, key, value, timestampMs } = record;
  return { topic, partition, offset: `${offset}`, key, value, timestampMs: `${timestampMs}` };
}
