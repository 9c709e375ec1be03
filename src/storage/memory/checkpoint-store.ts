import type { CheckpointStore, PartitionPlace, StoredCheckpoint, StoredEndpoint } from '../../drain/ports.ts';

/** Checkpoints in memory, for tests and the simulator; the contract is the table store's. */
export function createMemoryCheckpointStore(): CheckpointStore {
  const rows = new Map<string, StoredCheckpoint>();
  const endpoints = new Map<string, StoredEndpoint>();
  let writes = 0;

  function nextVersion(): string {
    writes += 1;
    return String(writes);
  }

  function write(checkpoint: StoredCheckpoint['checkpoint']): StoredCheckpoint {
    const stored = { checkpoint, version: nextVersion() };
    rows.set(keyOf(checkpoint), stored);
    return stored;
  }

  function writeEndpoint(endpoint: StoredEndpoint['endpoint']): StoredEndpoint {
    const stored = { endpoint, version: nextVersion() };
    endpoints.set(endpoint.subscription, stored);
    return stored;
  }

  return {
    list: async (subscription) => ({
      checkpoints: [...rows.values()].filter(({ checkpoint }) => checkpoint.subscription === subscription),
      endpoint: endpoints.get(subscription),
    }),
    read: async (place) => rows.get(keyOf(place)),
    create: async (checkpoint) => (rows.has(keyOf(checkpoint)) ? undefined : write(checkpoint)),
    replace: async (checkpoint, version) =>
      rows.get(keyOf(checkpoint))?.version === version ? write(checkpoint) : undefined,
    readEndpoint: async (subscription) => endpoints.get(subscription),
    createEndpoint: async (endpoint) =>
      endpoints.has(endpoint.subscription) ? undefined : writeEndpoint(endpoint),
    replaceEndpoint: async (endpoint, version) =>
      endpoints.get(endpoint.subscription)?.version === version ? writeEndpoint(endpoint) : undefined,
  };
}

function keyOf({ subscription, topic, partition }: PartitionPlace): string {
  return `${subscription}/${topic}/${partition}`;
}
