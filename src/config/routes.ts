import { z } from 'zod';
import { topicName, topicNameRule, topicTemplateProblem } from '../events/topic.ts';
import { refuse } from './fields.ts';
import { filterSchema, selector } from './filter.ts';

const topic = z
  .string()
  .check(refuse(topicTemplateProblem))
  .describe(
    'Where the record goes: a topic, or a template such as orders.{type} or orders.{/customer/region}. A value that a topic name cannot hold makes the event invalid.',
  );

const schemaRule = 'must be a JSON Schema (an object), or the path of a file that holds one';
const invalidRule = 'must be "reject" or { "topic": "<name>" }';

/** An entry of `routes`. */
export const routeSchema = z.strictObject({
  name: z.string().min(1).optional().describe('Shown in answers and logs.'),
  source: z.string().optional().describe('Only events that came in by this source.'),
  filter: filterSchema.optional().describe('Only events that fit. A route without is a catch-all.'),
  schema: z
    .union([z.string({ error: schemaRule }).min(1), z.record(z.string(), z.unknown())], { error: schemaRule })
    .optional()
    .describe(
      'A JSON Schema (draft 2020-12) that data must fit, or the path of its file beside host.json. format checks nothing.',
    ),
  transform: z
    .string()
    .min(1)
    .optional()
    .describe('A JSONata expression over the event; its result becomes data, and no result drops the event.'),
  topic,
  key: selector
    .default('partitionkey')
    .describe('What becomes the key of the record: an attribute, or a JSON Pointer (RFC 6901) into data.'),
  partition: selector
    .optional()
    .describe(
      'What names the partition: an attribute, or a JSON Pointer into data. An event without a non-negative integer there is invalid.',
    ),
  value: z
    .enum(['cloudevents', 'raw'])
    .default('cloudevents')
    .describe('What is written: the whole event (structured mode), or only its data.'),
  onInvalid: z
    .union(
      [
        z.literal('reject', { error: invalidRule }),
        z.strictObject({ topic: z.string().regex(topicName, topicNameRule) }, { error: invalidRule }),
      ],
      { error: invalidRule },
    )
    .default('reject')
    .describe(
      'An event that does not fit the schema, or cannot be transformed or placed: reject it with 422, or write it to this topic, with the reason in its attribute rejectedreason.',
    ),
});
