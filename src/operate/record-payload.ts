import { z } from 'zod';
import { recordSchema } from '../drain/record-json.ts';
import type { TopicRecord } from '../events/record.ts';
import { describeError } from '../shared/error.ts';

/** The record that a subscription's dead letter holds; a text says why it is none. */
export function recordOf(payload: string): TopicRecord | string {
  try {
    const parsed = recordSchema.safeParse(JSON.parse(payload));
    return parsed.success ? parsed.data : `the payload is no record: ${z.prettifyError(parsed.error)}`;
  } catch (error) {
    return `the payload is no JSON: ${describeError(error)}`;
  }
}
