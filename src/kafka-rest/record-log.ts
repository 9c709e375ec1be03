import type { RecordLog } from '../drain/ports.ts';
import type { KafkaRest } from './client.ts';
import { KafkaRestError } from './errors.ts';

/** The drain's way to read topics, by metadata and consumer calls to the proxy. */
export function createRecordLog(client: KafkaRest): RecordLog {
  return {
    partitions: (topic) => client.listPartitions(topic).catch(undefinedWhereMissing),
    partition: (topic, partition) => client.getPartition(topic, partition).catch(undefinedWhereMissing),
    async read(position) {
      const page = await client.consume(position);
      const records = page.records.map((record) => ({
        topic: position.topic,
        partition: position.partition,
        offset: record.offset,
        key: record.key,
        value: record.value,
        timestampMs: record.timestamp,
      }));
      return { records, nextOffset: page.nextOffset };
    },
  };
}

function undefinedWhereMissing(error: unknown): undefined {
  if (error instanceof KafkaRestError && error.code === 'kafka-rest.not-found') return undefined;
  throw error;
}
