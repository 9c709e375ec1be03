import type { OutboxStore, StoredBatch, TopicLease } from '../../ingest/outbox-ports.ts';
import { packRecords, repackRecords, type TextCodec, unpackRecords } from '../record-batches.ts';
import { createTimeOrderedIds } from '../time-ordered-id.ts';

/** A batch with its records packed, as a table holds it. */
interface Row extends Omit<StoredBatch, 'records'> {
  readonly packed: Uint8Array;
}

/** Not compressed: that would be I/O, and time in tests stands still until all else has come to rest. */
const plainText: TextCodec = {
  encode: async (text) => Buffer.from(text),
  decode: async (bytes) => Buffer.from(bytes).toString('utf8'),
};

/** The outbox in memory, for tests and the simulator; the contract is the table store's. */
export function createMemoryOutbox(): OutboxStore {
  const newId = createTimeOrderedIds('memory');
  const topics = new Map<string, { rows: Map<string, Row>; lease: TopicLease }>();
  let writes = 0;

  function nextVersion(): string {
    writes += 1;
    return String(writes);
  }

  function enlist(topic: string): Map<string, Row> {
    const known = topics.get(topic);
    if (known !== undefined) return known.rows;
    const rows = new Map<string, Row>();
    topics.set(topic, { rows, lease: { topic, owner: '', expiresAtMs: 0, version: nextVersion() } });
    return rows;
  }

  const hasBacklog = (topic: string) => (topics.get(topic)?.rows.size ?? 0) > 0;

  return {
    async add(topic, records, nowMs) {
      for (const packed of await packRecords(records, plainText)) {
        const id = newId(nowMs);
        const state = { attempts: 0, nextAttemptMs: 0, error: '', version: nextVersion() };
        enlist(topic).set(id, { topic, id, packed, ...state });
      }
    },

    topics: async () => [...topics.keys()].filter(hasBacklog),
    hasBacklog: async (topic) => hasBacklog(topic),

    async list(topic, max, afterId = '') {
      const rows = [...(topics.get(topic)?.rows.values() ?? [])]
        .filter(({ id }) => id > afterId)
        .sort((one, two) => (one.id < two.id ? -1 : 1))
        .slice(0, max);
      return Promise.all(
        rows.map(async ({ packed, ...row }) => ({ ...row, records: await unpackRecords(packed, plainText) })),
      );
    },

    async replace(batch) {
      const { records, ...state } = batch;
      const packed = await repackRecords(records, plainText);
      const rows = topics.get(batch.topic)?.rows;
      if (rows?.get(batch.id)?.version !== batch.version) return undefined;
      const version = nextVersion();
      rows.set(batch.id, { ...state, packed, version });
      return { ...batch, version };
    },

    async remove({ topic, id, version }) {
      const rows = topics.get(topic)?.rows;
      return rows?.get(id)?.version === version && rows.delete(id);
    },

    readLease: async (topic) => topics.get(topic)?.lease,

    async replaceLease(lease) {
      const known = topics.get(lease.topic);
      if (known?.lease.version !== lease.version) return undefined;
      known.lease = { ...lease, version: nextVersion() };
      return known.lease;
    },
  };
}
