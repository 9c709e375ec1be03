import type { CheckpointStore, StoredCheckpoint } from '../../drain/ports.ts';

/** Checkpoints in memory, for tests and the simulator; the contract is the table store's. */
export function createMemoryCheckpointStore(): CheckpointStore {
  const rows = new Map<string, StoredCheckpoint>();
  let writes = 0;

  function write(key: string, checkpoint: StoredCheckpoint['checkpoint']): StoredCheckpoint {
    writes += 1;
    const stored = { checkpoint, version: String(writes) };
    rows.set(key, stored);
    return stored;
  }

  return {
    list: async (subscription) =>
      [...rows.values()].filter((stored) => stored.checkpoint.subscription === subscription),
    create: async (checkpoint) => {
      const key = keyOf(checkpoint);
      return rows.has(key) ? undefined : write(key, checkpoint);
    },
    replace: async (checkpoint, version) => {
      const key = keyOf(checkpoint);
      return rows.get(key)?.version === version ? write(key, checkpoint) : undefined;
    },
  };
}

function keyOf({ subscription, topic, partition }: StoredCheckpoint['checkpoint']): string {
  return `${subscription}/${topic}/${partition}`;
}
