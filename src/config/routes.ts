import { z } from 'zod';
import type { EventFilter } from '../events/filter.ts';
import { topicName } from './fields.ts';

const filterSchema: z.ZodType<EventFilter> = z
  .lazy(() => {
    const attributes = z.record(z.string(), z.string());
    return z.union([
      z.strictObject({ exact: attributes }),
      z.strictObject({ prefix: attributes }),
      z.strictObject({ suffix: attributes }),
      z.strictObject({ all: z.array(filterSchema).min(1) }),
      z.strictObject({ any: z.array(filterSchema).min(1) }),
      z.strictObject({ not: filterSchema }),
    ]);
  })
  .meta({
    id: 'EventFilter',
    description: 'Which events are meant: exact, prefix, suffix, all, any or not.',
  });

/** An entry of `routes`. */
export const routeSchema = z.strictObject({
  name: z.string().min(1).optional().describe('Shown in answers and logs.'),
  source: z.string().optional().describe('Only events that came in by this source.'),
  filter: filterSchema.optional().describe('Only events that fit.'),
  topic: z.string().regex(topicName, 'must be a Kafka topic name').describe('Where the record goes.'),
  key: z
    .string()
    .regex(/^(?:[a-z0-9]+|\/.*)$/, 'must be an attribute name, or a JSON Pointer into data such as /order/id')
    .default('partitionkey')
    .describe('What becomes the key of the record: an attribute, or a JSON Pointer (RFC 6901) into data.'),
});
