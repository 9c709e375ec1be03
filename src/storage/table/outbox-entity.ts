import { z } from 'zod';
import type { StoredBatch, TopicLease } from '../../ingest/outbox-ports.ts';
import { repackRecords, unpackRecords } from '../record-batches.ts';
import { sortableMs } from '../time-ordered-id.ts';
import { fromChunks, gzipText, toChunks } from './chunks.ts';

/** Leases have a partition of their own; no Kafka topic can be called so. */
export const leasePartition = ':topics';

// Times are text: a number beyond 32 bits may come back, and compare, as another type.
const ms = z.string().regex(/^\d+$/).transform(Number);

const batchSchema = z.object({
  partitionKey: z.string(),
  rowKey: z.string(),
  attempts: z.int(),
  nextAttemptMs: ms,
  error: z.string(),
  etag: z.string(),
});

const leaseSchema = z.object({ rowKey: z.string(), owner: z.string(), expiresAtMs: ms, etag: z.string() });

/** A batch that nobody has tried to produce yet, from its packed records. */
export function newBatchEntity(topic: string, id: string, packed: Uint8Array) {
  return batchEntity({ topic, id, attempts: 0, nextAttemptMs: 0, error: '' }, packed);
}

/** A batch that loses records or waits for another attempt. */
export async function toBatchEntity(batch: StoredBatch) {
  return batchEntity(batch, await repackRecords(batch.records, gzipText));
}

function batchEntity(batch: Omit<StoredBatch, 'records' | 'version'>, packed: Uint8Array) {
  return {
    partitionKey: batch.topic,
    rowKey: batch.id,
    attempts: batch.attempts,
    nextAttemptMs: sortableMs(batch.nextAttemptMs),
    error: batch.error,
    ...toChunks(packed),
  };
}

/**
 * Reads a batch back.
 *
 * @throws when something else than this file wrote it.
 */
export async function fromBatchEntity(row: unknown): Promise<StoredBatch> {
  const { partitionKey: topic, rowKey: id, etag: version, ...state } = batchSchema.parse(row);
  return { topic, id, version, ...state, records: await unpackRecords(fromChunks(row), gzipText) };
}

/** A topic's lease, which also says that the topic has had a backlog. */
export function toLeaseEntity({ topic, owner, expiresAtMs }: Omit<TopicLease, 'version'>) {
  return { partitionKey: leasePartition, rowKey: topic, owner, expiresAtMs: sortableMs(expiresAtMs) };
}

/**
 * Reads a lease back.
 *
 * @throws {z.ZodError} when something else than {@link toLeaseEntity} wrote it.
 */
export function fromLeaseEntity(row: unknown): TopicLease {
  const { rowKey: topic, etag: version, ...lease } = leaseSchema.parse(row);
  return { topic, version, ...lease };
}
