import { z } from 'zod';
import { describeError } from '../../src/shared/error.ts';
import { parseJson } from '../../src/shared/json.ts';
import { type Exchange, keyOf, receiveBody, send } from './http-server.ts';
import type { Invocation } from './invoke.ts';
import type { AppFunction } from './load-app.ts';
import type { TriggerFactory, TriggerParts } from './trigger.ts';

const path = '/runtime/webhooks/eventgrid';

const publicCloud = 'eventgrid.azure.net';
const clouds: ReadonlySet<string | undefined> = new Set([
  publicCloud,
  'eventgrid.azure.us',
  'eventgrid.azure.eaglex.ic.gov',
  'eventgrid.azure.microsoft.scloud',
  'eventgrid.azure.cn',
]);

const code = z.object({ validationCode: z.string() });
/** The event itself in Event Grid's schema; as a CloudEvent its data is JSON in a string. */
const validation = z.union([
  z
    .tuple([z.object({ data: code })])
    .rest(z.unknown())
    .transform(([event]) => event.data),
  z
    .object({
      data: z
        .string()
        .transform((text) => parseJson(text))
        .or(z.unknown())
        .pipe(code),
    })
    .transform(({ data }) => data),
]);

/**
 * Functions that Event Grid calls through the extension's webhook. The answers are those of
 * `HttpRequestProcessor.cs` and `EventGridExtensionConfigProvider.cs` in Azure/azure-sdk-for-net,
 * sdk/eventgrid/Microsoft.Azure.WebJobs.Extensions.EventGrid. Its 409 answers are for .NET functions bound to one
 * schema's type; a Node function takes either schema, so they cannot occur here.
 */
export const eventGridTrigger: TriggerFactory = (parts) => {
  const functions = new Map<string, AppFunction>();
  return {
    add: (fn) => functions.set(fn.name, fn),
    describe: (fn, baseUrl) => `eventGridTrigger ${baseUrl}${path}?functionName=${fn.name}`,
    manual: (_fn, input) => toInvocation(parts, input ?? '{}'),
    answer: (exchange) =>
      exchange.path.toLowerCase() === path ? answer(parts, functions, exchange) : undefined,
  };
};

async function answer(parts: TriggerParts, functions: ReadonlyMap<string, AppFunction>, exchange: Exchange) {
  const { request, response, method } = exchange;
  if (parts.keys && !parts.keys.opens('system', keyOf(exchange))) return send(response, 401);
  const name = new URLSearchParams(exchange.query).get('functionName') ?? '';
  const fn = functions.get(name);
  if (!fn) return send(response, 404, `cannot find function: '${name}'`);
  if (method === 'OPTIONS') {
    const origin = request.headers['webhook-request-origin'];
    const allowed = typeof origin === 'string' && clouds.has(origin) ? origin : publicCloud;
    return send(response, 200, undefined, { 'Webhook-Allowed-Origin': allowed });
  }
  const body = await receiveBody(exchange);
  if (!body) return;
  const eventType = String(request.headers['aeg-event-type']).toLowerCase();
  try {
    if (eventType === 'subscriptionvalidation') {
      const { validationCode } = validation.parse(parseJson(body.toString('utf8')));
      return send(response, 200, JSON.stringify({ validationResponse: validationCode }));
    }
    if (eventType === 'notification') {
      const failure = await dispatch(parts, fn, body.toString('utf8'));
      return failure === undefined ? send(response, 202) : send(response, 500, failure);
    }
  } catch (error) {
    // The extension throws here and the host answers 500: Event Grid then sends the events again.
    return send(response, 500, describeError(error));
  }
  return send(response, eventType === 'unsubscribe' ? 202 : 400);
}

/** Runs the function for each event, all at once; gives the first failure in the order of the events. */
async function dispatch(parts: TriggerParts, fn: AppFunction, body: string): Promise<string | undefined> {
  const value = parseJson(body);
  if (typeof value !== 'object' || value === null)
    throw new TypeError('the body must be a JSON object or array');
  const events: unknown[] = Array.isArray(value) ? value : [value];
  const results = await Promise.all(
    events.map((event) => parts.invoke(fn, toInvocation(parts, JSON.stringify(event)))),
  );
  const failed = results.find((result) => !result.ok);
  return failed && !failed.ok ? describeError(failed.error) : undefined;
}

function toInvocation({ clock }: TriggerParts, event: string): Invocation {
  return {
    data: { string: event },
    reason: `EventGrid trigger fired at ${new Date(clock.now()).toISOString()}`,
  };
}
