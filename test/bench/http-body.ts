import type { IncomingMessage, ServerResponse } from 'node:http';

/** Reads a body by events: this runs for every request, and an async iterator costs several times as much. */
export function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    // One chunk needs no copy, and most bodies are one.
    request.once('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.once('error', reject);
  });
}

/** Answers with a value as JSON, or with the bytes of a JSON text. */
export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string | number>> = {},
): void {
  const body = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
  const own = { 'content-type': 'application/json', 'content-length': body.length };
  response.writeHead(status, { ...own, ...headers }).end(body);
}
