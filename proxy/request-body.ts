import type { IncomingMessage } from 'node:http';
import { type ZodType, z } from 'zod';
import { invalidRequest, RestError } from './rest-error.ts';

/**
 * Reads a request's body; `undefined` when the client goes away before it is whole.
 *
 * @throws {RestError} body_too_large; the rest of the body is then read and thrown away.
 */
export function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) {
        chunks.push(chunk);
        return;
      }
      chunks.length = 0;
      reject(
        new RestError('body_too_large', `The body is larger than ${bytesMax} bytes: send fewer records.`),
      );
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('close', () => resolve(undefined));
    request.on('error', () => resolve(undefined));
  });
}

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
