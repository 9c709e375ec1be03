import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Clock } from '../src/shared/clock.ts';
import { describeError } from '../src/shared/error.ts';
import type { Authenticator } from './auth.ts';
import { type Faults, injectFault } from './faults.ts';
import { readBody } from './request-body.ts';
import { RestError } from './rest-error.ts';
import type { Answer, Router } from './routes.ts';

/** What answering requests needs. */
export interface ListenerOptions {
  readonly router: Router;
  readonly authenticator: Authenticator | undefined;
  readonly faults: Faults | undefined;
  readonly clock: Clock;
  readonly requestBytesMax: number;
  /** Aborts when the proxy closes. */
  readonly closing: AbortSignal;
}

const noBody = Buffer.alloc(0);

/** Takes each request through routing, authentication, body, faults and operation, in this order. */
export function createListener(options: ListenerOptions): RequestListener {
  const { router, authenticator, faults, clock, requestBytesMax, closing } = options;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> => {
    const { route, params, query } = router(request.method ?? '', request.url ?? '');
    if (!route.isPublic) await authenticator?.check(request.headers.authorization);
    const takesBody = route.method === 'POST' || route.method === 'PUT';
    const body = takesBody ? await readBody(request, requestBytesMax) : noBody;
    if (body === 'broken') return undefined;
    if (body === 'too-large') {
      const text = `The body is larger than ${requestBytesMax} bytes: send fewer records.`;
      throw new RestError('body_too_large', text);
    }

    const rule = route.faultOperation && faults?.take(route.faultOperation, params.topic);
    if (rule === undefined) return route.operation({ params, query, body, recordError: undefined });
    const carryOut = () => route.operation({ params, query, body, recordError: rule.recordError });
    return injectFault({ rule, carryOut, response, clock, closing });
  };

  return (request, response) => {
    answer(request, response)
      .catch(errorAnswer)
      .then((result) => {
        if (result === undefined) response.destroy();
        else send(response, result, closing.aborted);
      });
  };
}

function errorAnswer(error: unknown): Answer {
  const known = error instanceof RestError ? error : new RestError('failed', describeError(error));
  const { status, headers, errorCode, message } = known;
  return { status, headers, body: JSON.stringify({ error_code: errorCode, message }) };
}

function send(response: ServerResponse, { status, headers, body }: Answer, isLast: boolean): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...(isLast ? { connection: 'close' } : undefined),
    ...headers,
  });
  response.end(body);
}
