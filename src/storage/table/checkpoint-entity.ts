import { z } from 'zod';
import type { Checkpoint } from '../../drain/checkpoint.ts';

const offset = z.string().regex(/^\d+$/).transform(BigInt);
const json = z.string().transform((text) => JSON.parse(text) as unknown);

const entity = z.object({
  subscription: z.string(),
  topic: z.string(),
  partition: z.int(),
  nextOffset: offset,
  endOffset: offset,
  epoch: z.int(),
  leaseOwner: z.string(),
  leaseExpiresAtMs: z.number(),
  retry: json.pipe(z.object({ failures: z.int(), atMs: z.number(), error: z.string() }).nullable()),
  gaps: json.pipe(
    z.array(
      z.object({
        fromOffset: offset,
        toOffset: offset,
        atMs: z.number(),
        cause: z.enum(['retention', 'empty']),
      }),
    ),
  ),
});

/** Keys of a checkpoint in its table: the subscription, and topic and partition within it. */
export function checkpointKeys(checkpoint: Pick<Checkpoint, 'subscription' | 'topic' | 'partition'>) {
  return { partitionKey: checkpoint.subscription, rowKey: `${checkpoint.topic}:${checkpoint.partition}` };
}

/**
 * A checkpoint as a table entity. Offsets are decimal strings; a checkpoint without a lease has an empty owner,
 * since a table has no null.
 */
export function toEntity(
  checkpoint: Checkpoint,
): z.input<typeof entity> & { partitionKey: string; rowKey: string } {
  return {
    ...checkpointKeys(checkpoint),
    subscription: checkpoint.subscription,
    topic: checkpoint.topic,
    partition: checkpoint.partition,
    nextOffset: checkpoint.nextOffset.toString(),
    endOffset: checkpoint.endOffset.toString(),
    epoch: checkpoint.epoch,
    leaseOwner: checkpoint.lease?.owner ?? '',
    leaseExpiresAtMs: checkpoint.lease?.expiresAtMs ?? 0,
    retry: JSON.stringify(checkpoint.retry),
    gaps: JSON.stringify(checkpoint.gaps, (_key, value) =>
      typeof value === 'bigint' ? value.toString() : value,
    ),
  };
}

/**
 * Reads an entity back.
 *
 * @throws {z.ZodError} when something else than {@link toEntity} wrote it.
 */
export function fromEntity(row: unknown): Checkpoint {
  const { leaseOwner, leaseExpiresAtMs, ...checkpoint } = entity.parse(row);
  return {
    ...checkpoint,
    lease: leaseOwner === '' ? null : { owner: leaseOwner, expiresAtMs: leaseExpiresAtMs },
  };
}
