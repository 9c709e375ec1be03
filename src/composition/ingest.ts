import { randomUUID } from 'node:crypto';
import type { InvocationContext, Timer } from '@azure/functions';
import type { CloudEvent } from '../events/cloud-event.ts';
import {
  answerHandshake,
  confirmHandshake,
  type Handshake,
  type HandshakeAnswer,
} from '../ingest/abuse-protection.ts';
import { acceptEvents, settleUnanswered } from '../ingest/accept.ts';
import { createBatcher } from '../ingest/batcher.ts';
import { EventGridError, fromEventGrid } from '../ingest/event-grid.ts';
import { createKeep } from '../ingest/keep.ts';
import { createOnce } from '../ingest/once.ts';
import { createOriginRate } from '../ingest/origin-rate.ts';
import { type FlushSummary, flushOutbox } from '../ingest/outbox.ts';
import { createPressure } from '../ingest/pressure.ts';
import { createReceipts } from '../ingest/receipts.ts';
import { type EventsRequest, type ReceiveOptions, receiveEvents, receiveWebhook } from '../ingest/receive.ts';
import { prepareRouter } from '../ingest/route.ts';
import { dueOccurrences, scheduledEvent, timerCronOf } from '../ingest/schedule.ts';
import type { WebhookRequest } from '../ingest/verify/provider.ts';
import { createReadWebhook } from '../ingest/verify/read-webhook.ts';
import { createAddressGuard } from '../shared/address-guard.ts';
import type { Answer } from '../shared/answer.ts';
import { assert } from '../shared/assert.ts';
import { describeError } from '../shared/error.ts';
import { createHttpPool } from '../shared/http.ts';
import { stringifyDeepJson } from '../shared/json.ts';
import { callerOf, clock, config, logOf, ownerOf, random, report, telemetry } from './instance.ts';
import { write, writeMs } from './kafka.ts';
import { deadLetters, outbox, receipts } from './tables.ts';

/** Event Grid waits 30 s for an answer, and so do most; the outbox needs some of it. */
const answerWithinMs = 15_000;
const flushBackoff = { baseMs: 1_000, capMs: 60_000 };
const flushTopicsMax = 8;
const flushPageBatches = 4;
const sweptReceiptsMax = 1_000;
const handshakeTimeoutMs = 10_000;
/** A doubled timer is recognised for as long as the platform may fire late. */
const scheduleWindowMs = 7 * 24 * 3_600_000;

const guard = createAddressGuard();
/** For strangers' addresses: handshake callbacks and the keys of token issuers. */
const strangerPool = createHttpPool({
  clock,
  connectionsMax: 4,
  connectTimeoutMs: 5_000,
  answerBytesMax: 1_048_576,
  guard,
});

/** Leases that a flush could not give up; see `FlushOptions`. */
const abandonedLeases = new Map<string, string>();

/** Which route takes an event. */
export const router = await prepareRouter(config.routes);

const { batch, outbox: outboxConfig, handshake, eventGridWindowSeconds } = config.ingest;
const receiveOptions: ReceiveOptions = {
  router,
  carry: createBatcher({
    carry: createKeep({
      write,
      outbox: outboxConfig.enabled
        ? {
            add: async (topic, records, nowMs) => (await outbox()).add(topic, records, nowMs),
            hasBacklog: async (topic) => (await outbox()).hasBacklog(topic),
          }
        : undefined,
      ordering: outboxConfig.ordering,
      bury: ({ topic, record, code, message }) =>
        bury(`ingest:${topic}`, {
          id: '',
          topic,
          payload: JSON.stringify(record),
          reason: { code, message },
        }),
      answerWithinMs,
      clock,
      report,
      telemetry,
    }),
    clock,
    telemetry,
    limits: {
      lingerMs: batch.lingerMs,
      batchRecordsMax: batch.recordsMax,
      batchBytesMax: batch.bytesMax,
      // One call at a time keeps a topic's records in the order in which they came.
      callsMax: outboxConfig.ordering === 'strict' ? 1 : batch.callsMax,
    },
  }),
  once: createOnce({
    receipts: {
      find: async (source, id) => createReceipts(await receipts(), clock).find(source, id),
      save: async (source, id, fate, expiresAtMs) =>
        createReceipts(await receipts(), clock).save(source, id, fate, expiresAtMs),
    },
    clock,
    report,
    telemetry,
  }),
  telemetry,
  sources: config.sources,
  pressure: createPressure(config.limits),
  originRate:
    handshake?.ratePerMinute === undefined
      ? undefined
      : createOriginRate({ ...handshake, ratePerMinute: handshake.ratePerMinute }, clock),
  readWebhook: createReadWebhook({
    sources: config.sources,
    send: strangerPool.send,
    newId: randomUUID,
    limits: config.limits,
  }),
  limits: config.limits,
  newId: randomUUID,
  now: clock.now,
};

/** Takes in the events of an HTTP request. */
export function receive(request: EventsRequest, context: InvocationContext): Promise<Answer> {
  return answerTraced(context, request.sourceName ?? '', () => receiveEvents(receiveOptions, request));
}

/** Takes in the webhook of a provider. */
export function receiveFromProvider(
  sourceName: string,
  request: WebhookRequest,
  context: InvocationContext,
): Promise<Answer> {
  return answerTraced(context, sourceName, () =>
    receiveWebhook(receiveOptions, sourceName, request, (cause) =>
      logOf(context).error('ingest.unverifiable', { source: sourceName, error: describeError(cause) }),
    ),
  );
}

/** Answers in a span, a child of the platform's for the invocation; an answer of 500 and above is its failure. */
function answerTraced(
  context: InvocationContext,
  source: string,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const answer = async (fail: (code: string) => void) => {
    const answered = await work();
    if (answered.status >= 500) fail(String(answered.status));
    return answered;
  };
  return telemetry.span('sluice.receive', { source }, answer, callerOf(context));
}

/** Answers the CloudEvents abuse-protection handshake. */
export function shakeHands(request: Handshake, context: InvocationContext): Answer {
  const protection = handshake ?? { allowedOrigins: [], callback: false };
  const { answer, confirmUrl }: HandshakeAnswer = answerHandshake({ config: protection, guard }, request);
  if (confirmUrl !== undefined) {
    const options = { send: strangerPool.send, report: logOf(context), timeoutMs: handshakeTimeoutMs };
    // It never rejects, and the answer does not wait for it.
    void confirmHandshake(options, protection, confirmUrl);
  }
  return answer;
}

/** Takes in one event of an Event Grid trigger. @throws when it was not kept, so that it is sent again. */
export async function receiveFromEventGrid(input: unknown, context: InvocationContext): Promise<void> {
  const origin = 'ingest:eventgrid';
  let event: CloudEvent;
  try {
    event = fromEventGrid(input, config.limits);
  } catch (error) {
    if (!(error instanceof EventGridError)) throw error;
    const { code, message } = error;
    telemetry.count('sluice.rejected', 1, { reason: code, source: 'eventgrid' });
    return bury(origin, { id: '', payload: stringifyDeepJson(input), reason: { code, message } });
  }
  const from = { source: 'eventgrid', windowMs: eventGridWindowSeconds * 1000 };
  await takeUnanswered(origin, [event], from, context);
}

/** The cron by which the platform fires the timer of each schedule, by the schedule's name. */
export const timerCrons: ReadonlyMap<string, string> = new Map(
  Object.entries(config.schedules).map(([name, schedule]) => [name, timerCronOf(schedule, clock.now())]),
);

/** Publishes the occurrences for which a schedule's timer has fired. @throws when one of them was not kept. */
export async function publishSchedule(name: string, timer: Timer, context: InvocationContext): Promise<void> {
  const schedule = config.schedules[name];
  const timerCron = timerCrons.get(name);
  assert(schedule !== undefined && timerCron !== undefined, 'timers are registered for configured schedules');
  const run = { timerCron, statusNext: timer.scheduleStatus?.next, nowMs: clock.now() };
  const { occurrencesMs, missedSinceMs } = await dueOccurrences(schedule, run);
  if (missedSinceMs !== undefined) {
    const since = new Date(missedSinceMs).toISOString();
    const { missed: policy } = schedule;
    logOf(context).warn('schedule.missed', {
      schedule: name,
      policy,
      since,
      published: occurrencesMs.length,
    });
  }
  const events = occurrencesMs.map((occurrenceMs) => scheduledEvent(name, schedule, occurrenceMs));
  const from = { source: `schedule-${name}`, windowMs: scheduleWindowMs };
  await takeUnanswered(`ingest:schedule-${name}`, events, from, context);
}

/** Produces what waits in the outbox, and forgets receipts that have expired. */
export async function flushOnce(context: InvocationContext): Promise<FlushSummary> {
  const summary = await flushOutbox({
    outbox: await outbox(),
    write,
    deadLetters: await deadLetters(),
    clock,
    random,
    report: logOf(context),
    telemetry,
    owner: ownerOf(context),
    abandonedLeases,
    ordering: outboxConfig.ordering,
    limits: {
      budgetMs: outboxConfig.budgetMs,
      produceMs: writeMs,
      leaseMs: outboxConfig.leaseMs,
      topicsMax: flushTopicsMax,
      pageBatches: flushPageBatches,
      backoff: flushBackoff,
    },
  });
  await (await receipts()).sweep(clock.now(), sweptReceiptsMax);
  return summary;
}

function takeUnanswered(
  origin: string,
  events: readonly CloudEvent[],
  from: { source: string; windowMs: number },
  context: InvocationContext,
): Promise<void> {
  const take = async () => {
    const outcomes = await acceptEvents(receiveOptions, events, { ...from, whole: false });
    await settleUnanswered(events, outcomes, (event, reason) =>
      bury(origin, { id: event.id, payload: JSON.stringify(event), reason }),
    );
  };
  return telemetry.span('sluice.receive', { source: from.source }, take, callerOf(context));
}

async function bury(
  origin: string,
  letter: { id: string; topic?: string; payload: string; reason: { code: string; message: string } },
): Promise<void> {
  await (await deadLetters()).add({ origin, ...letter, atMs: clock.now() });
  report.error('ingest.buried', {
    origin,
    id: letter.id,
    code: letter.reason.code,
    error: letter.reason.message,
  });
}
