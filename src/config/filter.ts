import { z } from 'zod';
import type { EventFilter } from '../events/filter.ts';
import { isSelector, selectorRule } from '../events/selector.ts';

const dialects = ['exact', 'prefix', 'suffix', 'all', 'any', 'not'] as const;

/** A field that names one value of an event. */
export const selector = z.string().refine(isSelector, { error: selectorRule });

/** A filter of events, as routes and subscriptions have it. */
export const filterSchema: z.ZodType<EventFilter> = z
  .lazy(() => {
    // Neither names nor texts may be empty (CloudEvents Subscriptions API, section 3.2.4.1.1).
    const values = z
      .record(selector, z.string().min(1, 'must not be empty: it would say nothing'))
      .refine((given) => Object.keys(given).length > 0, 'must name at least one attribute or JSON Pointer');
    const filters = z.array(filterSchema).min(1, 'must hold at least one filter');
    return z
      .strictObject({
        exact: values.optional().describe('Every value named is this text.'),
        prefix: values.optional().describe('Every value named begins with this text.'),
        suffix: values.optional().describe('Every value named ends with this text.'),
        all: filters.optional().describe('All of these filters hold.'),
        any: filters.optional().describe('At least one of these filters holds.'),
        not: filterSchema.optional().describe('This filter does not hold.'),
      })
      .meta({ minProperties: 1, maxProperties: 1 })
      .refine((filter) => Object.keys(filter).length === 1, {
        error: `must have exactly one of ${dialects.join(', ')}; all combines several`,
      })
      .transform((filter) => filter as EventFilter);
  })
  .meta({
    id: 'EventFilter',
    description:
      'Which events are meant: exactly one of exact, prefix, suffix, all, any, not (CloudEvents Subscriptions API). Values are named by attribute, or by JSON Pointer into data, such as /order/state.',
  });
