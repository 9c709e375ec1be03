import type { ParkedEntry, ParkedRecord, ParkedStore } from '../../drain/ports.ts';

/** Parked records in memory, for tests and the simulator; the contract is the table store's. */
export function createMemoryParkedStore(): ParkedStore {
  const partitions = new Map<string, { rows: Map<bigint, ParkedRecord>; openings: number }>();

  return {
    async open({ subscription, topic, partition }) {
      const name = `${subscription}/${topic}/${partition}`;
      const held = partitions.get(name) ?? { rows: new Map<bigint, ParkedRecord>(), openings: 0 };
      partitions.set(name, held);
      held.openings += 1;
      const opening = held.openings;
      return {
        entries: [...held.rows.values()].map(entryOf).sort((one, two) => (one.offset < two.offset ? -1 : 1)),
        read: async (offset) => held.rows.get(offset),
        async write(changes) {
          if (held.openings !== opening) return false;
          for (const change of changes) {
            if (change.kind === 'put') held.rows.set(change.parked.record.offset, change.parked);
            else held.rows.delete(change.offset);
          }
          return true;
        },
      };
    },
  };
}

function entryOf({ record, failures, nextAttemptMs }: ParkedRecord): ParkedEntry {
  return { offset: record.offset, key: record.key, failures, nextAttemptMs };
}
