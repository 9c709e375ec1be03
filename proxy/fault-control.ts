import { z } from 'zod';
import type { Answer } from './call.ts';
import { type Faults, faultRuleSchema, faultRulesMax } from './faults.ts';
import { parseJsonBody } from './json-text.ts';
import { readBySchema } from './read-by-schema.ts';
import type { Route } from './routes.ts';

const path = '/control/faults';

/** What PUT takes. */
export const faultRulesSchema = z.strictObject({ rules: z.array(faultRuleSchema).max(faultRulesMax) });

/** The control interface: GET lists the rules with their hits, PUT replaces them, DELETE removes them. */
export function createFaultRoutes(faults: Faults): Route[] {
  const list = (): Answer => ({
    status: 200,
    body: JSON.stringify({ rules: faults.list().map(({ rule, hits }) => ({ ...rule, hits })) }),
  });
  return [
    { method: 'GET', path, operation: list },
    {
      method: 'PUT',
      path,
      operation: ({ body }) => {
        faults.set(readBySchema(faultRulesSchema, parseJsonBody(body).value).rules);
        return list();
      },
    },
    {
      method: 'DELETE',
      path,
      operation: () => {
        faults.clear();
        return list();
      },
    },
  ];
}
