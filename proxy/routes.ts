import type { FaultOperation, RecordError } from './faults.ts';
import { invalidRequest, RestError } from './rest-error.ts';

/** One call of an operation. */
export interface Call {
  /** The path's parameters, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** What follows `?` in the request target. */
  readonly query: string;
  readonly body: Buffer;
  /** An injected fault for single records; only produce heeds it. */
  readonly recordError: RecordError | undefined;
}

/** An answer in JSON. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

/** Carries out a call, or throws RestError to refuse it. */
export type Operation = (call: Call) => Answer;

/** A parameter that the path of the operation has. */
export function param(call: Call, name: string): string {
  return call.params[name] ?? '';
}

/** An operation at a method and a path; `{name}` in the path is a parameter. */
export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly operation: Operation;
  /** What a fault rule calls it; without it, faults never hit it. */
  readonly faultOperation?: FaultOperation;
  /** Whether it is answered without a token. */
  readonly isPublic?: boolean;
}

/** The route of a request, and what stands in its URL. */
export interface RouteMatch {
  readonly route: Route;
  /** Parameters, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: string;
}

/**
 * Finds the route for a request's method and target. Paths are matched strictly: case matters, and so does a
 * trailing slash.
 *
 * @throws {RestError} unknown_path, method_not_allowed (with `Allow`), invalid_request for bad percent-encoding.
 */
export type Router = (method: string, target: string) => RouteMatch;

/** Makes the router over a table of routes. */
export function createRouter(routes: readonly Route[]): Router {
  const table = routes.map((route) => ({ route, pattern: route.path.split('/') }));
  return (method, target) => {
    const queryAt = target.indexOf('?');
    const path = queryAt === -1 ? target : target.slice(0, queryAt);
    const segments = path.split('/');
    const candidates = table.filter(({ pattern }) => fits(pattern, segments));
    if (candidates.length === 0) {
      throw new RestError('unknown_path', `There is nothing at ${path}; /openapi.json says what there is.`);
    }

    const found = candidates.find(({ route }) => route.method === method);
    if (found === undefined) {
      const allow = candidates.map(({ route }) => route.method).join(', ');
      throw new RestError('method_not_allowed', `${path} takes ${allow}, not ${method}.`, { allow });
    }
    const query = queryAt === -1 ? '' : target.slice(queryAt + 1);
    return { route: found.route, params: readParams(found.pattern, segments), query };
  };
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((part, index) => part === segments[index] || (isParam(part) && segments[index] !== ''))
  );
}

function isParam(part: string): boolean {
  return part.startsWith('{');
}

function readParams(pattern: readonly string[], segments: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (const [index, part] of pattern.entries()) {
    if (isParam(part)) params[part.slice(1, -1)] = decode(segments[index] ?? '');
  }
  return params;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw invalidRequest(`"${segment}" in the path is not valid percent-encoding of UTF-8.`);
  }
}
