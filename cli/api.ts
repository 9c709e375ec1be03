import { HttpError, type HttpSend } from '../src/shared/http.ts';
import { jsonOrUndefined } from '../src/shared/json.ts';

/** The operation failed, or could not be asked for; the message says what to do. Exit code 1. */
export class OperationError extends Error {
  override readonly name = 'OperationError';
}

/** The operator's endpoints of an app. Answers are those of src/operate of the same version. */
export interface Api {
  /** @throws {OperationError} */
  get<T>(path: string, query?: Readonly<Record<string, string | undefined>>): Promise<T>;
  /** @throws {OperationError} */
  post<T>(path: string, body: object): Promise<T>;
}

/** The platform answers for a function after 230 s. */
const timeoutMs = 240_000;

/** Speaks to the operator's endpoints of the app at `url`. */
export function createApi(options: {
  readonly url: string;
  readonly key: string | undefined;
  readonly send: HttpSend;
}): Api {
  const { url, key, send } = options;

  async function call<T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
    const request = {
      method,
      url: `${url}/api/admin/${path}`,
      headers: {
        accept: 'application/json',
        ...(key !== undefined && { 'x-functions-key': key }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      timeoutMs,
    };
    const answer = await send(request).catch((error: unknown) => {
      throw error instanceof HttpError ? new OperationError(unreached(url, error)) : error;
    });
    if (answer.status === 401 || answer.status === 403) throw new OperationError(refused(url, key));
    const document = jsonOrUndefined(answer.body);
    if (answer.status === 200 && document !== undefined) return document as T;
    throw new OperationError(failed(request.url, answer.status, document));
  }

  return {
    get: (path, query = {}) => {
      const given = Object.entries(query).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      );
      const search = new URLSearchParams(given).toString();
      return call('GET', search === '' ? path : `${path}?${search}`);
    },
    post: (path, body) => call('POST', path, body),
  };
}

function unreached(url: string, error: HttpError): string {
  const { hostname } = new URL(url);
  const local = hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]';
  const advice = local ? 'is it running? npm start' : 'is --url right, and is the app running?';
  return `${url} was not reached: ${error.message}; ${advice}`;
}

function refused(url: string, key: string | undefined): string {
  const given = key === undefined ? 'no key was given' : 'the key that was given is not its master key';
  return `${url} lets only its master key in, and ${given}; give it by --key or the setting SLUICE_KEY (in Azure: az functionapp keys list)`;
}

function failed(url: string, status: number, document: unknown): string {
  if (isProblem(document)) return `${document.title}: ${document.detail}`;
  if (status === 404) return `${url} answered 404; is it a Sluice app of this version?`;
  const advice = status >= 500 ? '; its log says why' : ', but not as Sluice does; is --url right?';
  return `${url} answered ${status}${advice}`;
}

function isProblem(document: unknown): document is { title: string; detail: string } {
  return typeof document === 'object' && document !== null && 'title' in document && 'detail' in document;
}
