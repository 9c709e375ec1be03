import { z } from 'zod';
import type { Checkpoint, GapCause, OffsetRange } from '../../drain/checkpoint.ts';
import type { PartitionPlace } from '../../drain/ports.ts';
import { attemptsSchema } from './attempts-schema.ts';
import { fromChunks, gzipText, toChunks } from './chunks.ts';

const gapCauses = {
  retention: 'retention',
  empty: 'empty',
  recreated: 'recreated',
  gone: 'gone',
} as const satisfies Record<GapCause, GapCause>;

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
  finished: z.string().regex(/^(\d+\+\d+( \d+\+\d+)*)?$/),
  retry: json.pipe(z.object({ failures: z.int(), atMs: z.number(), error: z.string() }).nullable()),
  parked: json.pipe(z.object({ count: z.int(), nextAttemptMs: z.number() })),
  loss: json.pipe(
    z
      .object({ cause: z.enum(['retention', 'recreated']), sinceMs: z.number(), halted: z.boolean() })
      .nullable(),
  ),
  gaps: json.pipe(
    z.array(
      z.object({
        fromOffset: offset,
        toOffset: offset,
        atMs: z.number(),
        cause: z.enum(gapCauses),
      }),
    ),
  ),
});

/** Keys of a checkpoint in its table: the subscription, and topic and partition within it. */
export function checkpointKeys({ subscription, topic, partition }: PartitionPlace) {
  return { partitionKey: subscription, rowKey: `${topic}:${partition}` };
}

/**
 * A checkpoint as a table entity. Offsets are decimal strings; a checkpoint without a lease has an empty owner,
 * since a table has no null. The attempts at a record that is held back are in chunks, as gzip of JSON: their answers
 * can be more than a property holds.
 */
export async function toEntity(checkpoint: Checkpoint) {
  const { retry } = checkpoint;
  const attempts = retry?.attempts ?? [];
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
    finished: rangesToText(checkpoint.nextOffset, checkpoint.finished),
    retry: JSON.stringify(retry, (key, value) => (key === 'attempts' ? undefined : value)),
    parked: JSON.stringify(checkpoint.parked),
    loss: JSON.stringify(checkpoint.loss),
    gaps: JSON.stringify(checkpoint.gaps, (_key, value) =>
      typeof value === 'bigint' ? value.toString() : value,
    ),
    ...(attempts.length > 0 && toChunks(await gzipText.encode(JSON.stringify(attempts)))),
  } satisfies z.input<typeof entity> & { partitionKey: string; rowKey: string };
}

/**
 * Reads an entity back.
 *
 * @throws when something else than {@link toEntity} wrote it.
 */
export async function fromEntity(row: unknown): Promise<Checkpoint> {
  const { leaseOwner, leaseExpiresAtMs, retry, finished, ...checkpoint } = entity.parse(row);
  const bytes = fromChunks(row);
  const attempts = bytes.length === 0 ? [] : attemptsSchema.parse(JSON.parse(await gzipText.decode(bytes)));
  return {
    ...checkpoint,
    lease: leaseOwner === '' ? null : { owner: leaseOwner, expiresAtMs: leaseExpiresAtMs },
    finished: rangesFromText(checkpoint.nextOffset, finished),
    retry: retry && { ...retry, attempts },
  };
}

/**
 * Ranges above an offset as `skip+length` each, from where the one before ended. So the most that a checkpoint keeps
 * fit into a property, which holds 32,768 characters, whatever the offsets.
 */
function rangesToText(nextOffset: bigint, ranges: readonly OffsetRange[]): string {
  let last = nextOffset;
  const parts = ranges.map(({ fromOffset, toOffset }) => {
    const part = `${fromOffset - last}+${toOffset - fromOffset}`;
    last = toOffset;
    return part;
  });
  return parts.join(' ');
}

function rangesFromText(nextOffset: bigint, text: string): OffsetRange[] {
  let last = nextOffset;
  return text
    .split(' ')
    .filter((part) => part !== '')
    .map((part) => {
      const [skip = '', length = ''] = part.split('+');
      const fromOffset = last + BigInt(skip);
      last = fromOffset + BigInt(length);
      return { fromOffset, toOffset: last };
    });
}
