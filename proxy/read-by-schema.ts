import { type ZodType, z } from 'zod';
import { invalidRequest } from './rest-error.ts';

/**
 * `value` as `schema` says it must be.
 *
 * @throws {RestError} invalid_request, naming every field that is wrong.
 */
export function readBySchema<T>(schema: ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${z.core.toDotPath(path)}: ${message}`,
  );
  throw invalidRequest(`The body is not as it should be. ${issues.join('; ')}.`);
}
