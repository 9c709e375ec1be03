import { z } from 'zod';

/** Attempts as they are read back from JSON. */
export const attemptsSchema = z.array(
  z.object({
    atMs: z.number(),
    latencyMs: z.number(),
    status: z.int().nullable(),
    answer: z.string(),
  }),
);
