import type { CloudEvent } from '../events/cloud-event.ts';
import type { EventLimits, HttpHeaders } from '../events/http-binding.ts';
import { type AcceptOptions, acceptEvents } from './accept.ts';
import { type Answer, answerFor, problemAnswer } from './answer.ts';
import type { Pressure } from './pressure.ts';
import { type Problem, problem } from './problem.ts';
import { bodySizeProblem, readEvents } from './request.ts';
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
  return admit(options, body, async () => {
    const source = sourceName === undefined ? undefined : ownSource(options, sourceName);
    if (sourceName !== undefined && source === undefined) {
      return problemAnswer(problem('unknown-source', `"${sourceName}" is not among the configured sources`));
    }
    const named =
      sourceName !== undefined && source !== undefined ? { name: sourceName, type: source.type } : undefined;
    const read = readEvents(options, { headers, body, source: named });
    if ('problem' in read) return refuse(options, read.problem);
    const events = read.events.map((event) => withTrace(event, headers));
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
    return take(options, [read.event], sourceName, ownSource(options, sourceName));
  });
}

/** Lets a request in if it is small enough and there is room for it. */
async function admit(
  options: ReceiveOptions,
  body: Uint8Array,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const tooLarge = bodySizeProblem(body, options.limits.bodyBytesMax);
  if (tooLarge !== undefined) return refuse(options, tooLarge);
  const leave = options.pressure.enter(body.byteLength);
  if (leave === undefined) {
    const headers = { 'retry-after': String(options.limits.retryAfterSeconds) };
    return refuse(
      options,
      problem('overloaded', 'too many requests are under way; send it again later'),
      headers,
    );
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

function refuse(
  { telemetry }: ReceiveOptions,
  document: Problem,
  headers?: Readonly<Record<string, string>>,
): Answer {
  telemetry.count('sluice.rejected', 1, { reason: document.type });
  return problemAnswer(document, headers);
}

/** An event keeps the trace in which it started; one that has none starts in that of its request. */
function withTrace(event: CloudEvent, headers: HttpHeaders): CloudEvent {
  const traceparent = headers.get('traceparent');
  if (event.traceparent !== undefined || !traceparent || !wellFormedTraceparent.test(traceparent))
    return event;
  return { ...event, traceparent };
}

/** W3C Trace Context, section 3.2.2. */
const wellFormedTraceparent = /^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

function ownSource({ sources }: ReceiveOptions, name: string): Source | undefined {
  return Object.hasOwn(sources, name) ? sources[name] : undefined;
}
