import { isUtf8 } from 'node:buffer';
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
 * The JSON of a body, and its text.
 *
 * @throws {RestError} invalid_request when the bytes are not UTF-8 or not JSON, saying where.
 */
export function parseJsonBody(body: Buffer): { text: string; value: unknown } {
  if (!isUtf8(body)) throw invalidRequest('The body is not valid UTF-8.');
  const text = body.toString('utf8');
  try {
    return { text, value: JSON.parse(text) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidRequest(`The body cannot be read: ${reason}.`);
  }
}

/**
 * The JSON of a body as `schema` says it must be; an empty body is an empty object.
 *
 * @throws {RestError} invalid_request, naming every field that is wrong.
 */
export function parseBodyBy<T>(schema: ZodType<T>, body: Buffer): T {
  const result = schema.safeParse(body.length === 0 ? {} : parseJsonBody(body).value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${z.core.toDotPath(path)}: ${message}`,
  );
  throw invalidRequest(`The body is not as it should be. ${issues.join('; ')}.`);
}
