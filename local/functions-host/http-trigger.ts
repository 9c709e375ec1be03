import { z } from 'zod';
import { doFor, HostError, readOptions } from './host-error.ts';
import { sendRpcResponse, toRpcRequest } from './http-message.ts';
import { compileRoute, type RouteMatcher, type RouteParams, splitPath } from './http-route.ts';
import { type Exchange, keyOf, receiveBody, send } from './http-server.ts';
import { calledByApi } from './invoke.ts';
import type { AppFunction } from './load-app.ts';
import { createRequestGate } from './request-gate.ts';
import { createTimeLimit } from './time-limit.ts';
import type { TriggerFactory } from './trigger.ts';

interface Route {
  readonly fn: AppFunction;
  readonly methods: ReadonlySet<string>;
  readonly matches: RouteMatcher;
  readonly authLevel: 'anonymous' | 'function' | 'admin';
}

const optionsSchema = z.looseObject({
  authLevel: z.enum(['anonymous', 'function', 'admin']),
  methods: z.array(z.string().transform((method) => method.toUpperCase())),
  route: z.string().optional(),
});

/** What Azure's load balancer waits: learn.microsoft.com/azure/azure-functions/functions-scale#timeout */
const answerTimeoutMs = 230_000;

/**
 * Functions that answer HTTP requests. Of several routes that match, the function first by name answers, as in
 * the host: it maps functions in that order and its router takes the first match, not the most specific one.
 */
export const httpTrigger: TriggerFactory = ({ clock, settings, keys, invoke }) => {
  const routes: Route[] = [];
  const withinLimit = createTimeLimit({ clock, limitMs: answerTimeoutMs });
  const gate = createRequestGate({
    concurrentMax: settings.concurrentRequestsMax,
    outstandingMax: settings.outstandingRequestsMax,
  });

  const run = async (exchange: Exchange, fn: AppFunction, params: RouteParams): Promise<void> => {
    const { request, response } = exchange;
    const body = await receiveBody(exchange);
    if (!body) return;
    const invoked = invoke(fn, {
      data: { http: toRpcRequest(exchange, params, body) },
      reason: calledByApi,
      traceParent: headerOf(request.headers.traceparent),
      traceState: headerOf(request.headers.tracestate),
    });
    const tooLate = () => new HostError(`no answer within ${answerTimeoutMs} ms`);
    // `invoke` never rejects; only the limit does.
    const result = await withinLimit(invoked, tooLate).catch(() => undefined);
    if (!result) send(response, 504);
    else if (result.ok) sendRpcResponse(response, result.response.returnValue);
    else send(response, 500);
  };

  return {
    add: (fn) => routes.push(doFor(`function "${fn.name}"`, () => toRoute(fn, settings.routePrefix))),
    describe: (fn, baseUrl) => {
      const { methods, route } = parseOptions(fn);
      return `[${methods.join(',')}] ${baseUrl}/${withPrefix(settings.routePrefix, route ?? fn.name)}`;
    },
    manual: (fn, input) => ({
      data: { http: { method: 'POST', url: `http://localhost/${fn.name}`, body: { string: input ?? '' } } },
      reason: calledByApi,
    }),
    answer: (exchange) => {
      const path = splitPath(exchange.path);
      for (const { fn, methods, matches, authLevel } of routes) {
        const params = methods.has(exchange.method) ? matches(path) : undefined;
        if (!params) continue;
        if (keys && authLevel !== 'anonymous' && !keys.opens(authLevel, keyOf(exchange))) {
          return Promise.resolve(send(exchange.response, 401));
        }
        return gate.enter(() => run(exchange, fn, params)) ?? Promise.resolve(send(exchange.response, 429));
      }
      return undefined;
    },
  };
};

function toRoute(fn: AppFunction, routePrefix: string): Route {
  const { authLevel, methods, route } = parseOptions(fn);
  const template = withPrefix(routePrefix, route ?? fn.name);
  // Whatever the prefix is, and whatever follows: Azure/azure-functions-host, `ScriptHost.ValidateHttpFunction`.
  if (/^(admin|runtime)/i.test(route ?? fn.name)) {
    throw new HostError('the specified route conflicts with one or more built in routes');
  }
  return { fn, methods: new Set(methods), matches: compileRoute(template), authLevel };
}

function parseOptions(fn: AppFunction): z.infer<typeof optionsSchema> {
  const options = readOptions(optionsSchema, fn.trigger);
  // An empty route means no route, as in the host.
  return { ...options, route: options.route || undefined };
}

function withPrefix(prefix: string, route: string): string {
  return prefix === '' ? route : `${prefix}/${route}`;
}

function headerOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value;
}
