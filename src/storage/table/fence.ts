import type { TableClient, TransactionAction } from '@azure/data-tables';
import { z } from 'zod';
import { ContendedRowError } from '../storage-error.ts';
import { changeRowsAtOnce, createRow, decodeRow, readRow, replaceRow } from './rows.ts';

/** The row key of a fence. */
export const fenceKey = 'fence';

const takeTriesMax = 50;

const fenceSchema = z.object({
  holder: z.string(),
  epoch: z.int(),
  writes: z.int(),
  etag: z.string(),
});

/**
 * `lost`: somebody else has taken the fence, and nothing was written. `refused`: nothing was written because the
 * rows are not what the changes took them for.
 */
export type FencedOutcome = 'written' | 'refused' | 'lost';

/** The right to write a partition of a table, until somebody else takes it. */
export interface Fence {
  /** Changes rows of the partition, all or none. */
  write(changes: readonly TransactionAction[]): Promise<FencedOutcome>;
  /** Whether the right is still there. */
  isHeld(): Promise<boolean>;
}

/**
 * Takes the right to write a partition from whoever had it, and makes the table if need be. It is a row of the
 * partition: to take it is to change the row, and every write replaces it If-Match in its own transaction. So a
 * transaction of the one before either came first, and is seen by whoever lists rows now, or is refused.
 *
 * @param holder names whoever takes it; no name is used twice.
 * @param epoch of the lease under which it is taken. Somebody with a later one is not shut out: the fence is lost then
 *   from the beginning.
 */
export async function takeFence(
  table: TableClient,
  { partitionKey, holder, epoch }: { partitionKey: string; holder: string; epoch: number },
): Promise<Fence> {
  const keys = { partitionKey, rowKey: fenceKey };
  const taken = await take();
  if (taken === undefined) return lostFence;
  let version = taken;
  let writes = 0;

  /** Conditional, so that a request that arrives late does not take the fence back from the next holder. */
  async function take(): Promise<string | undefined> {
    for (let tries = 0; tries < takeTriesMax; tries += 1) {
      const found = await read();
      // This very call has written it, and the answer was lost.
      if (found?.holder === holder) return found.etag;
      if (found !== undefined && found.epoch > epoch) return undefined;
      const fence = { ...keys, holder, epoch, writes: 0 };
      const taken =
        found === undefined ? await createRow(table, fence) : await replaceRow(table, fence, found.etag);
      if (taken !== undefined) return taken;
    }
    throw new ContendedRowError(table.tableName, keys);
  }

  async function read(): Promise<z.infer<typeof fenceSchema> | undefined> {
    const row = await readRow(table, partitionKey, fenceKey);
    return row && decodeRow(table, row, () => fenceSchema.parse(row));
  }

  /** The fence as it stands, if it is still this holder's; a write that was given up may have come late. */
  async function catchUp(): Promise<z.infer<typeof fenceSchema> | undefined> {
    const found = await read();
    if (found?.holder !== holder) return undefined;
    version = found.etag;
    return found;
  }

  return {
    async write(changes) {
      writes += 1;
      const fence = { ...keys, holder, epoch, writes };
      const written = await changeRowsAtOnce(table, [
        ['update', fence, 'Replace', { etag: version }],
        ...changes,
      ]);
      if (written !== undefined) {
        version = written;
        return 'written';
      }
      // The client repeats a request whose answer was lost; then the first one has changed the fence.
      const found = await catchUp();
      if (found === undefined) return 'lost';
      return found.writes === writes ? 'written' : 'refused';
    },
    isHeld: async () => (await catchUp()) !== undefined,
  };
}

const lostFence: Fence = { write: async () => 'lost', isHeld: async () => false };
