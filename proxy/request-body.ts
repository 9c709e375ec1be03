import type { IncomingMessage } from 'node:http';
import { RestError } from './rest-error.ts';

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
