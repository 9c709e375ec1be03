import { z } from 'zod';
import type { Fields } from './fields.ts';

/** An entry of `sources`. */
export function sourceSchema(_fields: Fields) {
  return z.strictObject({
    type: z
      .string()
      .min(1)
      .default('http.received')
      .describe('The type of an event that arrives as plain JSON.'),
  });
}
