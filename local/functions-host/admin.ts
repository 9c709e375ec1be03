import { hostname } from 'node:os';
import { z } from 'zod';
import { jsonOrUndefined } from '../../src/shared/json.ts';
import { hostVersion } from './functions-core.ts';
import { type Exchange, keyOf, receiveBody, send, sendJson } from './http-server.ts';
import type { Invoke } from './invoke.ts';
import type { Keys } from './keys.ts';
import type { AppFunction } from './load-app.ts';
import type { Trigger } from './trigger.ts';

/** A loaded function and the kind of trigger that starts it. */
export interface HostedFunction {
  readonly fn: AppFunction;
  readonly trigger: Trigger;
}

const invocationBody = z.object({ input: z.string().optional() });

/**
 * The host's own endpoints under `/admin`, for callers with the master key: the functions, one of them, running
 * one by hand, and the host's state. Azure/azure-functions-host, `FunctionsController.cs` and `HostController.cs`.
 * Gives undefined for a request that is not for it.
 */
export function createAdmin(options: {
  readonly functions: readonly HostedFunction[];
  readonly keys: Keys | undefined;
  readonly invoke: Invoke;
}): (exchange: Exchange) => Promise<void> | undefined {
  const { functions, keys, invoke } = options;

  const answer = async (exchange: Exchange): Promise<void> => {
    const { response, method } = exchange;
    if (keys && !keys.opens('admin', keyOf(exchange))) return send(response, 401);
    const [, , area, name, ...rest] = exchange.path.toLowerCase().split('/');
    if (area === 'host' && name === 'status' && rest.length === 0)
      return sendJson(response, 200, hostStatus());
    if (area !== 'functions' || rest.length > 0) return send(response, 404);
    const baseUrl = `http://${exchange.request.headers.host ?? 'localhost'}`;
    if (!name)
      return sendJson(
        response,
        200,
        functions.map((hosted) => describe(hosted, baseUrl)),
      );
    const hosted = functions.find(({ fn }) => fn.name.toLowerCase() === name);
    if (!hosted) return send(response, 404);
    if (method === 'GET') return sendJson(response, 200, describe(hosted, baseUrl));
    return method === 'POST' ? runByHand(exchange, hosted, invoke) : send(response, 405);
  };

  return (exchange) => (/^\/admin(\/|$)/i.test(exchange.path) ? answer(exchange) : undefined);
}

/** Answers 202 at once; how the run ends shows in the log. */
async function runByHand(exchange: Exchange, { fn, trigger }: HostedFunction, invoke: Invoke): Promise<void> {
  const { request, response } = exchange;
  if (!/^application\/(.+\+)?json\b/i.test(request.headers['content-type'] ?? '')) {
    return send(response, 415, 'the content type must be application/json');
  }
  const body = await receiveBody(exchange);
  if (!body) return;
  const parsed = invocationBody.safeParse(jsonOrUndefined(body.toString('utf8')));
  if (!parsed.success) return send(response, 400, 'the body must be JSON such as {"input": "text"}');
  void invoke(fn, trigger.manual(fn, parsed.data.input));
  send(response, 202);
}

function describe({ fn, trigger }: HostedFunction, baseUrl: string) {
  const bindings = Object.entries(fn.metadata.bindings).map(([name, binding]) => ({ ...binding, name }));
  return {
    name: fn.name,
    href: `${baseUrl}/admin/functions/${fn.name}`,
    config: { name: fn.name, bindings },
    isDisabled: fn.disabled,
    language: 'node',
    trigger: trigger.describe(fn, baseUrl),
  };
}

function hostStatus() {
  return {
    id: hostname(),
    state: 'Running',
    version: hostVersion,
    processUptime: Math.round(process.uptime() * 1000),
  };
}
