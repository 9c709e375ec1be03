import { Agent, type Dispatcher } from 'undici';
import { type AddressGuard, RefusedAddressError } from './address-guard.ts';
import type { Clock } from './clock.ts';
import { createDeadlines, type Deadlines } from './deadlines.ts';
import { SluiceError } from './error.ts';

/** One HTTP request. `timeoutMs` bounds the whole of it, from connecting to the last byte of the answer. */
export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'OPTIONS';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
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
  /** True: an answer counts by its status, so a body that is too large, breaks off or never ends is cut there. */
  readonly statusDecides?: boolean;
  /** For URLs that others choose: refuses those that lead to no public address. */
  readonly guard?: AddressGuard;
  /** What the bridge shows of itself in TLS, and whom it trusts instead of the public authorities; all PEM. */
  readonly tls?: { readonly cert?: string; readonly key?: string; readonly ca?: string };
}

/** Connections kept alive. */
export interface HttpPool {
  readonly send: HttpSend;
  /** Closes them, after the requests under way. */
  close(): Promise<void>;
}

/** Opens a pool: the network, as an argument. */
export type OpenHttpPool = (options: HttpPoolOptions) => HttpPool;

/** Opens a keep-alive pool on undici. */
export function createHttpPool(options: HttpPoolOptions): HttpPool {
  const agent = new Agent({
    connections: options.connectionsMax,
    connect: {
      timeout: options.connectTimeoutMs,
      ...(options.guard && { lookup: options.guard.lookup }),
      ...options.tls,
    },
    pipelining: 1,
    // The request's own deadline bounds both; undici's timers would only be second clocks.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const deadlines = createDeadlines(options.clock);
  const targetOf = rememberTargets(options.guard);
  return {
    send: (request) =>
      new Promise((resolve, reject) => {
        const target = targetOf(request.url);
        if (target.refusal !== undefined) {
          reject(refusedAddress(target.host, target.refusal));
          return;
        }
        const { body = null, method, headers } = request;
        const exchange = createExchange({ request, target, options, deadlines, resolve, reject });
        agent.dispatch({ origin: target.origin, path: target.path, method, headers, body }, exchange);
      }),
    close: () => agent.close(),
  };
}

/** Where a URL leads, and why nothing is sent there. */
interface Target {
  readonly origin: string;
  readonly host: string;
  readonly path: string;
  readonly refusal: string | undefined;
}

/** A pool is used for few URLs, many times each; beyond this many it begins to remember anew. */
const targetsMax = 1_000;

function rememberTargets(guard: AddressGuard | undefined): (url: string) => Target {
  const known = new Map<string, Target>();
  return (url) => {
    const remembered = known.get(url);
    if (remembered !== undefined) return remembered;
    const { origin, host, pathname, search } = new URL(url);
    const target = { origin, host, path: pathname + search, refusal: guard?.checkUrl(url) };
    if (known.size >= targetsMax) known.clear();
    known.set(url, target);
    return target;
  };
}

/**
 * Follows one request to its answer. undici calls it at each step; a stream for every answer would cost more than
 * the rest of the request.
 */
function createExchange(exchange: {
  readonly request: HttpRequest;
  readonly target: Target;
  readonly options: HttpPoolOptions;
  readonly deadlines: Deadlines;
  resolve(answer: HttpAnswer): void;
  reject(error: HttpError): void;
}): Dispatcher.DispatchHandler {
  const { request, target, options, deadlines, resolve, reject } = exchange;
  const { host } = target;
  let controller: Dispatcher.DispatchController | undefined;
  let status = 0;
  let headers: HttpAnswer['headers'] = {};
  let chunks: Buffer[] = [];
  let bytes = 0;
  let ended: HttpError | 'answered' | undefined;

  const answer = () => {
    finish('answered');
    const [first = nothing, ...more] = chunks;
    const body = more.length === 0 ? first.toString('utf8') : Buffer.concat(chunks).toString('utf8');
    resolve({ status, headers, body });
  };
  const fail = (error: HttpError) => {
    if (ended !== undefined) return;
    if (options.statusDecides && status !== 0 && error.failure !== 'aborted') answer();
    else {
      finish(error);
      reject(error);
    }
    // Not before it is settled: aborting calls `onResponseError`.
    controller?.abort(error);
  };
  const expire = () => fail(timedOut(host, request.timeoutMs));
  const giveUp = () => fail(toHttpError(request.signal?.reason, host, request.signal));
  const finish = (how: HttpError | 'answered') => {
    ended = how;
    dropDeadline();
    request.signal?.removeEventListener('abort', giveUp);
  };
  const dropDeadline = deadlines.begin(request.timeoutMs, expire);
  request.signal?.addEventListener('abort', giveUp);
  if (request.signal?.aborted) giveUp();

  return {
    onRequestStart(started) {
      controller = started;
      // It was given up while it waited for a connection.
      if (ended instanceof HttpError) started.abort(ended);
    },
    onResponseStart(_controller, statusCode, answered) {
      // An interim answer (100 to 199) is followed by another.
      if (statusCode < 200) return;
      status = statusCode;
      headers = flattenHeaders(answered);
    },
    onResponseData(_controller, chunk) {
      bytes += chunk.length;
      if (bytes <= options.answerBytesMax) chunks.push(chunk);
      else {
        chunks.push(chunk.subarray(0, chunk.length - (bytes - options.answerBytesMax)));
        fail(answerTooLarge(host, options.answerBytesMax));
        chunks = [];
      }
    },
    onResponseEnd() {
      if (ended === undefined) answer();
    },
    onResponseError(_controller, error) {
      fail(toHttpError(error, host, request.signal));
    },
  };
}

const nothing = Buffer.alloc(0);

function flattenHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}

function timedOut(host: string, timeoutMs: number): HttpError {
  return new HttpError({ failure: 'timeout', message: `no answer from ${host} within ${timeoutMs} ms` });
}

function answerTooLarge(host: string, bytesMax: number): HttpError {
  const message = `the answer of ${host} is larger than ${bytesMax} bytes`;
  return new HttpError({ failure: 'answer-too-large', message });
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
  const code = codeOf(error);
  return connectCodes.has(code)
    ? new HttpError({ failure: 'connect', message: `cannot connect to ${host} (${code})`, cause: error })
    : new HttpError({
        failure: 'broken',
        message: `the connection to ${host} broke (${code})`,
        cause: error,
      });
}

/** A parser of answers says in words alone what it could not read. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && error.code !== undefined ? String(error.code) : error.message;
}

function refusedAddress(host: string, reason: string): HttpError {
  return new HttpError({ failure: 'refused-address', message: `nothing is sent to ${host}: ${reason}` });
}
