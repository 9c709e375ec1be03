import type { CloudEvent } from '../events/cloud-event.ts';
import type { EventLimits, HttpHeaders } from '../events/http-binding.ts';
import { type Answer, kindOf, type Problem, problemAnswer } from '../shared/answer.ts';
import { type AcceptOptions, acceptEvents } from './accept.ts';
import { answerFor } from './answer.ts';
import type { OriginRate } from './origin-rate.ts';
import type { Pressure } from './pressure.ts';
import { problem } from './problem.ts';
import { readEvents } from './read-events.ts';
import { withTrace } from './trace.ts';
import type { WebhookRequest } from './verify/provider.ts';
import type { ReadWebhook } from './verify/read-webhook.ts';

/** A source as receiving sees it. */
export interface Source {
  /** The type of an event that arrives as plain JSON. */
  readonly type: string;
  /** For how long a repeated event is recognised by its id; undefined: never. */
  readonly idempotencySeconds?: number | undefined;
}

/** What receiving needs. */
export interface ReceiveOptions extends AcceptOptions {
  readonly sources: Readonly<Record<string, Source>>;
  readonly pressure: Pressure;
  /** Undefined: senders are held to no rate of their own. */
  readonly originRate?: OriginRate | undefined;
  readonly readWebhook: ReadWebhook;
  readonly limits: EventLimits & { readonly bodyBytesMax: number; readonly retryAfterSeconds: number };
  readonly newId: () => string;
  readonly now: () => number;
}

/** A request to `/api/events/{source?}`. */
export interface EventsRequest {
  /** The source named in the URL, if any. */
  readonly sourceName: string | undefined;
  readonly headers: HttpHeaders;
  readonly body: Uint8Array;
}

/**
 * Takes in the events of an HTTP request. The answer is 202 only after each is kept: confirmed by the log, or in
 * the outbox.
 */
export async function receiveEvents(options: ReceiveOptions, request: EventsRequest): Promise<Answer> {
  const { sourceName, headers, body } = request;
  const tooFast = options.originRate && refuseTooFast(options, options.originRate, headers);
  if (tooFast) return tooFast;
  return admit(options, body, async () => {
    const source = sourceName === undefined ? undefined : ownSource(options, sourceName);
    if (sourceName !== undefined && source === undefined) {
      const detail = `"${sourceName}" is not among the configured sources`;
      return refuse(options, problem('unknown-source', detail));
    }
    const named =
      sourceName !== undefined && source !== undefined ? { name: sourceName, type: source.type } : undefined;
    const read = readEvents(options, { headers, body, source: named });
    if ('problem' in read) return refuse(options, read.problem);
    const events = withTrace(read.events, (name) => headers.get(name));
    return take(options, events, sourceName, source);
  });
}

/** Takes in the webhook of a provider, once it is verified. */
export async function receiveWebhook(
  options: ReceiveOptions,
  sourceName: string,
  request: WebhookRequest,
  onUnverifiable: (cause: unknown) => void,
): Promise<Answer> {
  return admit(options, request.body, async () => {
    const read = await options.readWebhook(sourceName, request, options.now());
    if ('reply' in read) return read.reply;
    if ('problem' in read) {
      if (read.cause !== undefined) onUnverifiable(read.cause);
      return refuse(options, read.problem, read.headers);
    }
    const events = withTrace([read.event], (name) => request.header(name));
    return take(options, events, sourceName, ownSource(options, sourceName));
  });
}

function refuseTooFast(
  options: ReceiveOptions,
  originRate: OriginRate,
  headers: HttpHeaders,
): Answer | undefined {
  const origin = headers.get('webhook-request-origin');
  const waitSeconds = origin === null ? undefined : originRate(origin);
  if (waitSeconds === undefined) return undefined;
  const detail = 'more requests a minute than WebHook-Allowed-Rate said; send it again later';
  return refuse(options, problem('rate-exceeded', detail), { 'retry-after': String(waitSeconds) });
}

/** Lets a request in if it is small enough and there is room for it. */
async function admit(
  options: ReceiveOptions,
  body: Uint8Array,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const { bodyBytesMax } = options.limits;
  if (body.byteLength > bodyBytesMax) {
    const detail = `${body.byteLength} bytes; at most ${bodyBytesMax} are taken (limits.bodyBytesMax)`;
    return refuse(options, problem('body-too-large', detail));
  }
  const leave = options.pressure.enter(body.byteLength);
  if (leave === undefined) {
    const detail = 'too many requests are under way; send it again later';
    return refuse(options, problem('overloaded', detail));
  }
  try {
    return await work();
  } finally {
    leave();
  }
}

async function take(
  options: ReceiveOptions,
  events: readonly CloudEvent[],
  sourceName: string | undefined,
  source: Source | undefined,
): Promise<Answer> {
  const seconds = source?.idempotencySeconds;
  const windowMs = seconds === undefined ? undefined : seconds * 1000;
  const outcomes = await acceptEvents(options, events, { source: sourceName, windowMs, whole: true });
  return answerFor(events, outcomes, options.limits.retryAfterSeconds);
}

/** What passes is to be sent again, and is told when. */
const passingStatuses = new Set([429, 503]);

function refuse(
  { telemetry, limits }: ReceiveOptions,
  document: Problem,
  headers?: Readonly<Record<string, string>>,
): Answer {
  telemetry.count('sluice.rejected', 1, { reason: kindOf(document) });
  const passes = passingStatuses.has(document.status);
  const retryAfter = passes && { 'retry-after': String(limits.retryAfterSeconds) };
  return problemAnswer(document, { ...retryAfter, ...headers });
}

function ownSource({ sources }: ReceiveOptions, name: string): Source | undefined {
  return Object.hasOwn(sources, name) ? sources[name] : undefined;
}
