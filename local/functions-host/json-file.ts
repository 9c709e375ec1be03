import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { describeError } from '../../src/shared/error.ts';
import { HostError } from './host-error.ts';

/**
 * Reads a JSON file by a schema.
 *
 * @throws {HostError} naming the file, and every path in it that is wrong.
 */
export function readJsonFile<T>(path: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new HostError(`cannot read ${path}: ${describeError(error)}`);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new HostError(`${path} is wrong:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
