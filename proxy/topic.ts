import { z } from 'zod';

/** A topic may have at most this many partitions. */
const partitionCountMax = 1000;

/** How many brokers the proxy announces; all of them are this one process. */
export const brokerCount = 3;

/** Kafka's topic names: letters, digits, `.`, `_`, `-`, at most 249 of them. Source: `Topic.validate` of Apache Kafka. */
export function isTopicName(name: string): boolean {
  return /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== '.' && name !== '..';
}

/** Kafka topic configs by name; numbers and booleans may also be sent as strings. */
export type TopicProperties = Readonly<Record<string, string | number | boolean>>;

const retentionValue = z
  .union([z.string().regex(/^(-1|[0-9]{1,19})$/), z.int().min(-1)])
  .optional()
  .describe('An integer, as a number or a string; -1 keeps everything.');

/** The body of "create topic"; every field may be left out. */
export const createTopicSchema = z.object({
  partition_count: z.int().min(1).max(partitionCountMax).default(1),
  replication_factor: z.int().min(1).max(brokerCount).default(1),
  topic_properties: z
    .object({ 'retention.ms': retentionValue, 'retention.bytes': retentionValue })
    .catchall(z.union([z.string(), z.number(), z.boolean()]))
    .refine(
      (properties) => Object.keys(properties).every((name) => /^[a-z]+(\.[a-z]+)*$/.test(name)),
      'Names of Kafka topic configs are lower-case words joined by dots, such as "retention.ms".',
    )
    .default({}),
});

/** How long, and up to how many bytes a partition, records are kept; `Infinity` for ever. */
export interface Retention {
  readonly ageMaxMs: number;
  readonly bytesMax: number;
}

/** Kafka's defaults: seven days, any size. Source: https://kafka.apache.org/documentation/#topicconfigs */
export function retentionOf(properties: TopicProperties): Retention {
  return {
    ageMaxMs: limitOf(properties['retention.ms'] ?? 7 * 24 * 60 * 60 * 1000),
    bytesMax: limitOf(properties['retention.bytes'] ?? -1),
  };
}

function limitOf(value: string | number | boolean): number {
  const limit = Number(value);
  return limit < 0 ? Number.POSITIVE_INFINITY : limit;
}
