import type { CloudEvent } from '../events/cloud-event.ts';
import {
  answerHandshake,
  confirmHandshake,
  type Handshake,
  type HandshakeAnswer,
} from '../ingest/abuse-protection.ts';
import { acceptEvents, settleUnanswered } from '../ingest/accept.ts';
import { EventGridError, fromEventGrid } from '../ingest/event-grid.ts';
import type { FlushSummary } from '../ingest/outbox.ts';
import { type EventsRequest, type ReceiveOptions, receiveEvents, receiveWebhook } from '../ingest/receive.ts';
import { prepareRouter, type Router } from '../ingest/route.ts';
import { dueOccurrences, scheduledEvent, timerCronOf } from '../ingest/schedule.ts';
import type { WebhookRequest } from '../ingest/verify/provider.ts';
import { createAddressGuard } from '../shared/address-guard.ts';
import type { Answer } from '../shared/answer.ts';
import { assert } from '../shared/assert.ts';
import { describeError } from '../shared/error.ts';
import type { HttpSend } from '../shared/http.ts';
import { stringifyDeepJson } from '../shared/json.ts';
import { type Bury, composeBury } from './bury.ts';
import { composeFlush } from './flush.ts';
import type { Kafka } from './kafka.ts';
import { receiveOptionsOf } from './receive-options.ts';
import type { Invocation, Surroundings } from './surroundings.ts';

/** The way in, as its triggers use it. */
export interface Ingest {
  /** Which route takes an event. */
  readonly router: Router;
  /** Takes in the events of an HTTP request. */
  receive(request: EventsRequest, invocation: Invocation): Promise<Answer>;
  /** Takes in the webhook of a provider. */
  receiveFromProvider(sourceName: string, request: WebhookRequest, invocation: Invocation): Promise<Answer>;
  /** Answers the CloudEvents abuse-protection handshake. */
  shakeHands(request: Handshake, invocation: Invocation): Answer;
  /** Takes in one event of an Event Grid trigger. @throws when it was not kept, so that it is sent again. */
  receiveFromEventGrid(input: unknown, invocation: Invocation): Promise<void>;
  /** The cron by which the platform fires the timer of each schedule, by the schedule's name. */
  readonly timerCrons: ReadonlyMap<string, string>;
  /**
   * Publishes the occurrences for which a schedule's timer has fired.
   *
   * @param statusNext when the platform's status says that the timer was to fire, where it keeps one.
   * @throws when one of them was not kept.
   */
  publishSchedule(name: string, statusNext: string | undefined, invocation: Invocation): Promise<void>;
  /** Produces what waits in the outbox, and forgets receipts that have expired. */
  flush(invocation: Invocation): Promise<FlushSummary>;
}

const handshakeTimeoutMs = 10_000;
/** A doubled timer is recognised for as long as the platform may fire late. */
const scheduleWindowMs = 7 * 24 * 3_600_000;

interface Parts {
  readonly receiveOptions: ReceiveOptions;
  readonly bury: Bury;
}

/** Wires the way in. @throws {SluiceError} when a route of the configuration cannot be prepared. */
export async function composeIngest(surroundings: Surroundings, kafka: Kafka): Promise<Ingest> {
  const { clock, config, openPool } = surroundings;
  const guard = createAddressGuard();
  // For strangers' addresses: handshake callbacks and the keys of token issuers.
  const { send } = openPool({
    clock,
    connectionsMax: 4,
    connectTimeoutMs: 5_000,
    answerBytesMax: 1_048_576,
    guard,
  });
  const router = await prepareRouter(config.routes);
  const bury = composeBury(surroundings);
  const receiveOptions = receiveOptionsOf(surroundings, { kafka, router, bury, send });
  const parts = { receiveOptions, bury };
  return {
    router,
    receive: (request, invocation) =>
      answerTraced(surroundings, request.sourceName ?? '', invocation, () =>
        receiveEvents(receiveOptions, request),
      ),
    receiveFromProvider: (source, request, invocation) =>
      answerTraced(surroundings, source, invocation, () =>
        receiveWebhook(receiveOptions, source, request, (cause) =>
          invocation.report.error('ingest.unverifiable', { source, error: describeError(cause) }),
        ),
      ),
    shakeHands: (request, invocation) => shakeHands(surroundings, { guard, send }, request, invocation),
    receiveFromEventGrid: (input, invocation) => receiveFromEventGrid(surroundings, parts, input, invocation),
    ...composeSchedules(surroundings, parts),
    flush: composeFlush(surroundings, kafka),
  };
}

/** Answers in a span, a child of the platform's for the invocation; an answer of 500 and above is its failure. */
function answerTraced(
  { telemetry }: Surroundings,
  source: string,
  { caller }: Invocation,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const answer = async (fail: (code: string) => void) => {
    const answered = await work();
    if (answered.status >= 500) fail(String(answered.status));
    return answered;
  };
  return telemetry.span('sluice.receive', { source }, answer, caller);
}

function shakeHands(
  { config }: Surroundings,
  { guard, send }: { readonly guard: ReturnType<typeof createAddressGuard>; readonly send: HttpSend },
  request: Handshake,
  { report }: Invocation,
): Answer {
  const protection = config.ingest.handshake ?? { allowedOrigins: [], callback: false };
  const { answer, confirmUrl }: HandshakeAnswer = answerHandshake({ config: protection, guard }, request);
  if (confirmUrl !== undefined) {
    // It never rejects, and the answer does not wait for it.
    void confirmHandshake({ send, report, timeoutMs: handshakeTimeoutMs }, protection, confirmUrl);
  }
  return answer;
}

async function receiveFromEventGrid(
  surroundings: Surroundings,
  parts: Parts,
  input: unknown,
  invocation: Invocation,
): Promise<void> {
  const { config, telemetry } = surroundings;
  const origin = 'ingest:eventgrid';
  let event: CloudEvent;
  try {
    event = fromEventGrid(input, config.limits);
  } catch (error) {
    if (!(error instanceof EventGridError)) throw error;
    const { code, message } = error;
    telemetry.count('sluice.rejected', 1, { reason: code, source: 'eventgrid' });
    return parts.bury(origin, { id: '', payload: stringifyDeepJson(input), reason: { code, message } });
  }
  const from = { source: 'eventgrid', windowMs: config.ingest.eventGridWindowSeconds * 1000 };
  await takeUnanswered(surroundings, parts, { origin, events: [event], from, invocation });
}

function composeSchedules(
  surroundings: Surroundings,
  parts: Parts,
): Pick<Ingest, 'timerCrons' | 'publishSchedule'> {
  const { clock, config } = surroundings;
  const timerCrons = new Map(
    Object.entries(config.schedules).map(([name, schedule]) => [name, timerCronOf(schedule, clock.now())]),
  );
  return {
    timerCrons,
    async publishSchedule(name, statusNext, invocation) {
      const schedule = config.schedules[name];
      const timerCron = timerCrons.get(name);
      assert(
        schedule !== undefined && timerCron !== undefined,
        'timers are registered for configured schedules',
      );
      const { occurrencesMs, missedSinceMs } = await dueOccurrences(schedule, {
        timerCron,
        statusNext,
        nowMs: clock.now(),
      });
      if (missedSinceMs !== undefined) {
        invocation.report.warn('schedule.missed', {
          schedule: name,
          policy: schedule.missed,
          since: new Date(missedSinceMs).toISOString(),
          published: occurrencesMs.length,
        });
      }
      const events = occurrencesMs.map((occurrenceMs) => scheduledEvent(name, schedule, occurrenceMs));
      const from = { source: `schedule-${name}`, windowMs: scheduleWindowMs };
      await takeUnanswered(surroundings, parts, {
        origin: `ingest:schedule-${name}`,
        events,
        from,
        invocation,
      });
    },
  };
}

/** Takes in what nobody waits for an answer to. @throws when one of them was not kept. */
function takeUnanswered(
  { telemetry }: Surroundings,
  { receiveOptions, bury }: Parts,
  arrival: {
    readonly origin: string;
    readonly events: readonly CloudEvent[];
    readonly from: { readonly source: string; readonly windowMs: number };
    readonly invocation: Invocation;
  },
): Promise<void> {
  const { origin, events, from, invocation } = arrival;
  const take = async () => {
    const outcomes = await acceptEvents(receiveOptions, events, { ...from, whole: false });
    await settleUnanswered(events, outcomes, (event, reason) =>
      bury(origin, { id: event.id, payload: JSON.stringify(event), reason }),
    );
  };
  return telemetry.span('sluice.receive', { source: from.source }, take, invocation.caller);
}
