import type { ParkedEntry, ParkedRecord, ParkedStore } from '../../drain/ports.ts';

/** Parked records in memory, for tests and the simulator; the contract is the table store's. */
export function createMemoryParkedStore(): ParkedStore {
  const partitions = new Map<string, { rows: Map<bigint, ParkedRecord>; openings: number; epoch: number }>();

  return {
    async open({ subscription, topic, partition }, epoch) {
      const name = `${subscription}/${topic}/${partition}`;
      const held = partitions.get(name) ?? { rows: new Map<bigint, ParkedRecord>(), openings: 0, epoch };
      partitions.set(name, held);
      const isLate = held.epoch > epoch;
      if (!isLate) {
        held.openings += 1;
        held.epoch = epoch;
      }
      const opening = isLate ? -1 : held.openings;
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
