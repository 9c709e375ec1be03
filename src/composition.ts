import { randomUUID } from 'node:crypto';
import type { InvocationContext, Timer } from '@azure/functions';
import { loadConfig } from './config/load.ts';
import type { BridgeConfig, SubscriptionConfig } from './config/schema.ts';
import { attemptDelivery } from './delivery/attempt.ts';
import { verdictOf } from './delivery/verdict.ts';
import { type DrainSummary, drain } from './drain/drain.ts';
import type { CheckpointStore, Deliver } from './drain/ports.ts';
import type { CloudEvent } from './events/cloud-event.ts';
import {
  answerHandshake,
  confirmHandshake,
  type Handshake,
  type HandshakeAnswer,
} from './ingest/abuse-protection.ts';
import { acceptEvents, settleUnanswered } from './ingest/accept.ts';
import type { Answer } from './ingest/answer.ts';
import { createBatcher } from './ingest/batcher.ts';
import { EventGridError, fromEventGrid } from './ingest/event-grid.ts';
import { createKeep } from './ingest/keep.ts';
import { createOnce } from './ingest/once.ts';
import { createOriginRate } from './ingest/origin-rate.ts';
import { type FlushSummary, flushOutbox } from './ingest/outbox.ts';
import type { DeadLetterStore, OutboxStore, ReceiptStore } from './ingest/outbox-ports.ts';
import { createPressure } from './ingest/pressure.ts';
import { createReceipts } from './ingest/receipts.ts';
import { type EventsRequest, type ReceiveOptions, receiveEvents, receiveWebhook } from './ingest/receive.ts';
import { fixedTopics, prepareRouter } from './ingest/route.ts';
import { dueOccurrences, scheduledEvent, timerCronOf } from './ingest/schedule.ts';
import type { WebhookRequest } from './ingest/verify/provider.ts';
import { createReadWebhook } from './ingest/verify/read-webhook.ts';
import { createKafkaRest } from './kafka-rest/client.ts';
import { acquireWith } from './kafka-rest/credentials.ts';
import { createRecordLog } from './kafka-rest/record-log.ts';
import { createTokens } from './kafka-rest/tokens.ts';
import { createTopicCreation } from './kafka-rest/topic-creation.ts';
import { createWriteRecords } from './kafka-rest/write-records.ts';
import { createAddressGuard } from './shared/address-guard.ts';
import { assert } from './shared/assert.ts';
import { systemClock as clock, systemRandom as random } from './shared/clock.ts';
import { describeError } from './shared/error.ts';
import { checkHealth, type HealthReport } from './shared/health.ts';
import { createHttpPool } from './shared/http.ts';
import { stringifyDeepJson } from './shared/json.ts';
import { formatLogLine, type Log } from './shared/log.ts';
import { openTelemetry, type TraceHeaders } from './shared/telemetry.ts';

const connectTimeoutMs = 5_000;
/** A page of the consumer API holds 6 MB of records, and their escaping in JSON. */
const proxyAnswerBytesMax = 64 * 1_048_576;
const webhookAnswerBytesMax = 65_536;
const healthDeadlineMs = 5_000;
/** A call that fails is tried once more; then the outbox is the better place to wait. */
const produceRetry = { attemptsMax: 2, baseMs: 100, capMs: 500, retryAfterMsMax: 1_000 };
/** Event Grid waits 30 s for an answer, and so do most; the outbox needs some of it. */
const answerWithinMs = 15_000;
const flushBackoff = { baseMs: 1_000, capMs: 60_000 };
const flushTopicsMax = 8;
const flushPageBatches = 4;
const sweptReceiptsMax = 1_000;
/** Strangers' addresses: handshake callbacks and the keys of token issuers. */
const strangerConnectionsMax = 4;
const strangerAnswerBytesMax = 1_048_576;
const handshakeTimeoutMs = 10_000;
/** A doubled timer is recognised for as long as the platform may fire late. */
const scheduleWindowMs = 7 * 24 * 3_600_000;

/** The configuration; reading it is the first thing that happens, so a wrong one registers no function. */
export const config: BridgeConfig = loadConfig();

/** Names this instance of the app, where several write to one table. */
const instance = randomUUID();
const telemetry = openTelemetry('sluice');
const report = processLog();

const proxyPool = createHttpPool({
  clock,
  connectionsMax: config.proxy.connectionsMax,
  connectTimeoutMs,
  answerBytesMax: proxyAnswerBytesMax,
});
const webhookPool = createHttpPool({
  clock,
  connectionsMax: config.drain.partitionsMax,
  connectTimeoutMs,
  answerBytesMax: webhookAnswerBytesMax,
  statusDecides: true,
});
const guard = createAddressGuard();
const strangerPool = createHttpPool({
  clock,
  connectionsMax: strangerConnectionsMax,
  connectTimeoutMs,
  answerBytesMax: strangerAnswerBytesMax,
  guard,
});

const { url: proxyUrl, timeoutMs: proxyTimeoutMs } = config.proxy;
const tokens = createTokens({ acquire: acquireWith(config.proxy.auth, config.proxy.scope), clock });
const proxyAccess = { url: proxyUrl, tokens, send: proxyPool.send, clock, random, timeoutMs: proxyTimeoutMs };
const client = createKafkaRest(proxyAccess);
const creation = config.proxy.createTopics
  ? createTopicCreation({
      client,
      topics: new Set(fixedTopics(config.routes)),
      settings: config.proxy.createTopics,
    })
  : undefined;
const write = createWriteRecords({
  client: createKafkaRest({ ...proxyAccess, retry: produceRetry }),
  creation,
  report,
});

/** Of the outbox; see `FlushOptions`. */
const abandonedLeases = new Map<string, string>();

/** Tables are opened by whoever needs one first, so that an instance pays only for what it does. */
const checkpoints = once(openCheckpoints);
const outbox = once(openOutbox);
const receipts = once(openReceipts);
const deadLetters = once(openDeadLetters);

const { batch, outbox: outboxConfig, handshake, eventGridWindowSeconds } = config.ingest;
const receiveOptions: ReceiveOptions = {
  router: await prepareRouter(config.routes),
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

/** Where the platform's own span for the invocation stands. */
function callerOf({ traceContext }: InvocationContext): TraceHeaders {
  return { traceparent: traceContext?.traceParent, tracestate: traceContext?.traceState };
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
      // A produce is tried twice, each time after a token that may have to be asked for.
      produceMs: proxyTimeoutMs * 4,
      leaseMs: outboxConfig.leaseMs,
      topicsMax: flushTopicsMax,
      pageBatches: flushPageBatches,
      backoff: flushBackoff,
    },
  });
  await (await receipts()).sweep(clock.now(), sweptReceiptsMax);
  return summary;
}

/** Runs the drain once over all subscriptions. */
export async function drainOnce(context: InvocationContext): Promise<DrainSummary> {
  return drain({
    subscriptions: Object.entries(config.subscriptions).map(([name, subscription]) => ({
      name,
      topics: subscription.topics,
      start: subscription.start,
      attemptMs: subscription.endpoint.timeoutMs,
      deliver: deliverTo(name, subscription, logOf(context)),
    })),
    log: createRecordLog(client),
    store: await checkpoints(),
    clock,
    report: logOf(context),
    owner: ownerOf(context),
    limits: config.drain,
  });
}

/** Checks what the bridge needs. */
export function health(context: InvocationContext): Promise<HealthReport> {
  return checkHealth({
    checks: {
      // That this runs at all says that the configuration was read.
      config: async () => undefined,
      proxy: async () => {
        await client.listBrokers({
          timeoutMs: healthDeadlineMs,
          signal: AbortSignal.timeout(healthDeadlineMs),
        });
      },
      storage: async () => {
        await (await checkpoints()).list('');
      },
    },
    clock,
    report: logOf(context),
    deadlineMs: healthDeadlineMs,
  });
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

/** Delivers to a subscription's endpoint, with one log line an attempt. */
function deliverTo(subscription: string, { endpoint, retry }: SubscriptionConfig, log: Log): Deliver {
  return async (record, failures) => {
    const outcome = await attemptDelivery({ send: webhookPool.send, clock }, endpoint, record);
    const { topic, partition, offset } = record;
    log.info('delivery.attempt', { subscription, topic, partition, offset, failures, ...outcome });
    return verdictOf(outcome, {
      failures: failures + 1,
      delaysMs: retry.delaysMs,
      nowMs: clock.now(),
      random,
    });
  };
}

async function openTableNamed(name: string) {
  const { openTable } = await import('./storage/table/open-table.ts');
  return openTable(config.storage, name);
}

async function openCheckpoints(): Promise<CheckpointStore> {
  const { createTableCheckpointStore } = await import('./storage/table/checkpoint-store.ts');
  return createTableCheckpointStore(await openTableNamed('checkpoints'));
}

async function openOutbox(): Promise<OutboxStore> {
  const { createTableOutbox } = await import('./storage/table/outbox.ts');
  return createTableOutbox(await openTableNamed('outbox'), instance);
}

async function openReceipts(): Promise<ReceiptStore> {
  const { createTableReceipts } = await import('./storage/table/receipts.ts');
  return createTableReceipts(await openTableNamed('receipts'));
}

async function openDeadLetters(): Promise<DeadLetterStore> {
  const { createTableDeadLetters } = await import('./storage/table/dead-letters.ts');
  return createTableDeadLetters(await openTableNamed('deadletters'), instance);
}

function once<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined;
  return () => {
    opened ??= open();
    return opened;
  };
}

function ownerOf(context: InvocationContext): string {
  return `${context.invocationId}/${randomUUID()}`;
}

/** The log of what many invocations share, such as a call that carries records of several. */
function processLog(): Log {
  return {
    info: (event, fields) => console.info(formatLogLine(event, fields)),
    warn: (event, fields) => console.warn(formatLogLine(event, fields)),
    error: (event, fields) => console.error(formatLogLine(event, fields)),
  };
}

function logOf(context: InvocationContext): Log {
  return {
    info: (event, fields) => context.info(formatLogLine(event, fields)),
    warn: (event, fields) => context.warn(formatLogLine(event, fields)),
    error: (event, fields) => context.error(formatLogLine(event, fields)),
  };
}
