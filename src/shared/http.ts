import { Agent } from 'undici';
import { type AddressGuard, RefusedAddressError } from './address-guard.ts';
import { type Clock, noLongerNeeded } from './clock.ts';
import { SluiceError } from './error.ts';

/** One HTTP request. `timeoutMs` bounds the whole of it, from connecting to the last byte of the answer. */
export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** What came back, whatever its status. Header names are lower-case. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Sends a request and reads its answer. Redirects are not followed.
 *
 * @throws {HttpError} when no answer came.
 */
export type HttpSend = (request: HttpRequest) => Promise<HttpAnswer>;

/** Why no answer came. */
export type HttpFailure =
  | 'connect'
  | 'timeout'
  | 'aborted'
  | 'broken'
  | 'answer-too-large'
  | 'refused-address';

const finalFailures: readonly HttpFailure[] = ['aborted', 'answer-too-large', 'refused-address'];

/** No answer came. */
export class HttpError extends SluiceError {
  readonly failure: HttpFailure;

  constructor(details: { failure: HttpFailure; message: string; cause?: unknown }) {
    super({
      code: `http.${details.failure}`,
      message: details.message,
      retryable: !finalFailures.includes(details.failure),
      cause: details.cause,
    });
    this.failure = details.failure;
  }

  /** True when the other side surely never saw the request. */
  get neverSent(): boolean {
    return this.failure === 'connect' || this.failure === 'refused-address';
  }
}

/** Codes by which Node and undici say that no connection came to be. */
const connectCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
]);

/** A keep-alive connection pool and its limits. */
export interface HttpPoolOptions {
  readonly clock: Clock;
  /** Connections kept per origin. */
  readonly connectionsMax: number;
  readonly connectTimeoutMs: number;
  /** Bytes of an answer that are read before it is given up. */
  readonly answerBytesMax: number;
  /** True: an answer counts by its status, so a body that is too large, or never ends, is cut off. */
  readonly statusDecides?: boolean;
  /** For URLs that others choose: refuses those that lead to no public address. */
  readonly guard?: AddressGuard;
}

/** Opens a keep-alive pool on undici. `close` waits for requests under way. */
export function createHttpPool(options: HttpPoolOptions): { send: HttpSend; close(): Promise<void> } {
  const agent = new Agent({
    connections: options.connectionsMax,
    connect: {
      timeout: options.connectTimeoutMs,
      ...(options.guard && { lookup: options.guard.lookup }),
    },
    pipelining: 1,
    // The request's own deadline bounds both; undici's timers would only be second clocks.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return {
    send: (request) => sendThrough(agent, request, options),
    close: () => agent.close(),
  };
}

async function sendThrough(
  agent: Agent,
  request: HttpRequest,
  options: HttpPoolOptions,
): Promise<HttpAnswer> {
  const url = new URL(request.url);
  const refusal = options.guard?.checkUrl(request.url);
  if (refusal !== undefined) throw refusedAddress(url.host, refusal);
  const deadline = new AbortController();
  const ended = new AbortController();
  const timer = options.clock.sleep(request.timeoutMs, ended.signal).then(
    () =>
      deadline.abort(
        new HttpError({
          failure: 'timeout',
          message: `no answer from ${url.host} within ${request.timeoutMs} ms`,
        }),
      ),
    () => undefined,
  );
  const signal = request.signal ? AbortSignal.any([deadline.signal, request.signal]) : deadline.signal;
  try {
    const answer = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: request.method,
      headers: { ...request.headers },
      body: request.body ?? null,
      signal,
    });
    return {
      status: answer.statusCode,
      headers: flattenHeaders(answer.headers),
      body: await readBody(answer.body, options, url.host),
    };
  } catch (error) {
    throw toHttpError(error, url.host, request.signal);
  } finally {
    ended.abort(noLongerNeeded);
    await timer;
  }
}

async function readBody(
  body: AsyncIterable<Buffer>,
  { answerBytesMax, statusDecides }: HttpPoolOptions,
  host: string,
): Promise<string> {
  try {
    return await readLimited(body, answerBytesMax, host);
  } catch (error) {
    if (statusDecides) return '';
    throw error;
  }
}

async function readLimited(body: AsyncIterable<Buffer>, bytesMax: number, host: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      throw new HttpError({
        failure: 'answer-too-large',
        message: `the answer of ${host} is larger than ${bytesMax} bytes`,
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function flattenHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}

function toHttpError(error: unknown, host: string, callerSignal: AbortSignal | undefined): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof RefusedAddressError) return refusedAddress(host, error.message);
  if (callerSignal?.aborted) {
    return new HttpError({
      failure: 'aborted',
      message: `the request to ${host} was given up`,
      cause: error,
    });
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  return connectCodes.has(code)
    ? new HttpError({ failure: 'connect', message: `cannot connect to ${host} (${code})`, cause: error })
    : new HttpError({
        failure: 'broken',
        message: `the connection to ${host} broke (${code})`,
        cause: error,
      });
}

function refusedAddress(host: string, reason: string): HttpError {
  return new HttpError({ failure: 'refused-address', message: `nothing is sent to ${host}: ${reason}` });
}
