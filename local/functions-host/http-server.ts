import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readBody } from '../../proxy/request-body.ts';
import { HostError } from './host-error.ts';

/** A request and where its answer goes. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** Still percent-encoded. */
  readonly path: string;
  /** What follows the question mark; may be empty. */
  readonly query: string;
}

/** A server that listens. */
export interface Listener {
  readonly port: number;
  /** Takes no more connections. */
  close(): void;
  /** Ends the connections that are still open. */
  destroy(): void;
}

/** 100 MB, as the host has it: learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger */
export const bodyBytesMax = 104_857_600;

// Kestrel's. Longer than any client keeps a connection idle, so it is the client that closes.
const keepAliveTimeoutMs = 130_000;

const none = Buffer.alloc(0);

/** Listens on loopback. `answer` must not reject. @throws {HostError} when the port is taken. */
export async function listen(options: {
  readonly port: number;
  readonly answer: (exchange: Exchange) => unknown;
}): Promise<Listener> {
  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (request, response) => {
    if (!server.listening) response.shouldKeepAlive = false;
    if (!isHost(request.headers.host ?? '')) return send(response, 400, undefined, { connection: 'close' });
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    options.answer({
      request,
      response,
      method: request.method ?? 'GET',
      path: mark < 0 ? url : url.slice(0, mark),
      query: mark < 0 ? '' : url.slice(mark + 1),
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = `port ${options.port} is taken: end the process that uses it, or choose another by --port`;
      reject(error.code === 'EADDRINUSE' ? new HostError(taken) : error);
    });
    server.listen(options.port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () => server.close(),
    destroy: () => server.closeAllConnections(),
  };
}

/** Kestrel answers 400 to a `Host` that names no host; the URL of a request could not be made of it either. */
function isHost(value: string): boolean {
  return value === '' || (/^[\w.:[\]-]+$/.test(value) && URL.canParse(`http://${value}`));
}

/** Reads the body, or answers 413 when it is too large, and gives undefined when there is none to work with. */
export async function receiveBody({ request, response }: Exchange): Promise<Buffer | undefined> {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  if (encoding === undefined && (length === undefined || length === '0')) return none;
  // What says that it is too large is not read to see whether it is.
  const isTooLarge = Number(length ?? 0) > bodyBytesMax;
  const body = isTooLarge ? 'too-large' : await readBody(request, bodyBytesMax);
  if (body === 'too-large') {
    send(response, 413, undefined, { connection: 'close' });
    return undefined;
  }
  return body === 'broken' ? undefined : body;
}

/** Answers with a text, or with nothing but the status. */
export function send(
  response: ServerResponse,
  status: number,
  body?: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const bytes = Buffer.from(body ?? '');
  const type =
    body === undefined || 'content-type' in headers ? {} : { 'content-type': 'text/plain; charset=utf-8' };
  const length = status === 204 ? {} : { 'content-length': bytes.length };
  response.writeHead(status, { ...type, ...length, ...headers });
  response.end(bytes);
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, JSON.stringify(value), { 'content-type': 'application/json; charset=utf-8' });
}

/** The key a caller holds: the header counts before the query. */
export function keyOf(exchange: Exchange): string | undefined {
  const header = exchange.request.headers['x-functions-key'];
  if (typeof header === 'string') return header;
  return new URLSearchParams(exchange.query).get('code') ?? undefined;
}
