import type { IncomingMessage } from 'node:http';
import { type ZodType, z } from 'zod';
import { invalidRequest } from './rest-error.ts';

/**
 * Reads a request's body. `too-large` comes as soon as it is over `bytesMax`; the rest is then read and thrown away,
 * for a sender still sending to see the answer. `broken`: the client went away before the body was whole.
 */
export function readBody(
  request: IncomingMessage,
  bytesMax: number,
): Promise<Buffer | 'too-large' | 'broken'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) {
        chunks.push(chunk);
        return;
      }
      chunks.length = 0;
      resolve('too-large');
    });
    // One chunk needs no copy, and most bodies are one.
    request.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.on('close', () => resolve('broken'));
    request.on('error', () => resolve('broken'));
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
