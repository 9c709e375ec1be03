import { randomUUID } from 'node:crypto';
import type { InvocationContext, Timer } from '@azure/functions';
import { loadConfig } from './config/load.ts';
import type { BridgeConfig, SubscriptionConfig } from './config/schema.ts';
import { attemptDelivery } from './delivery/attempt.ts';
import { verdictOf } from './delivery/verdict.ts';
import { type DrainSummary, drain } from './drain/drain.ts';
import type { CheckpointStore, Deliver } from './drain/ports.ts';
import { acceptEvents, assertProduced } from './ingest/accept.ts';
import type { Answer } from './ingest/answer.ts';
import { fromEventGrid } from './ingest/event-grid.ts';
import { type IncomingRequest, receiveEvent } from './ingest/receive.ts';
import { occurrenceOf, scheduledEvent } from './ingest/schedule.ts';
import { createKafkaRest, type KafkaRest } from './kafka-rest/client.ts';
import { acquireWith } from './kafka-rest/credentials.ts';
import { createRecordLog } from './kafka-rest/record-log.ts';
import { createTokens } from './kafka-rest/tokens.ts';
import { createTopicCreation } from './kafka-rest/topic-creation.ts';
import { createWriteRecords } from './kafka-rest/write-records.ts';
import { assert } from './shared/assert.ts';
import { systemClock as clock, systemRandom as random } from './shared/clock.ts';
import { checkHealth, type HealthReport } from './shared/health.ts';
import { createHttpPool, type HttpSend } from './shared/http.ts';
import { formatLogLine, type Log } from './shared/log.ts';

const connectTimeoutMs = 5_000;
/** A page of the consumer API holds 6 MB of records, and their escaping in JSON. */
const proxyAnswerBytesMax = 64 * 1_048_576;
const webhookAnswerBytesMax = 1_048_576;
const webhookConnectionsMax = 32;
const healthDeadlineMs = 5_000;

/** The configuration; reading it is the first thing that happens, so a wrong one registers no function. */
export const config: BridgeConfig = loadConfig();

const proxyPool = createHttpPool({
  clock,
  connectionsMax: config.proxy.connectionsMax,
  connectTimeoutMs,
  answerBytesMax: proxyAnswerBytesMax,
});
const webhookPool = createHttpPool({
  clock,
  connectionsMax: webhookConnectionsMax,
  connectTimeoutMs,
  answerBytesMax: webhookAnswerBytesMax,
});

const client = connectProxy(config.proxy, proxyPool.send);
const creation = config.proxy.createTopics
  ? createTopicCreation({ client, settings: config.proxy.createTopics })
  : undefined;

/** Opened by the first drain, so that an instance that only takes events in does not pay for it. */
let checkpoints: Promise<CheckpointStore> | undefined;

/** Takes in the event of an HTTP request. */
export function receive(request: IncomingRequest, context: InvocationContext): Promise<Answer> {
  const { sources, limits } = config;
  return receiveEvent(
    { ...acceptOptions(context), sources, limits, newId: randomUUID, now: clock.now },
    request,
  );
}

/** Takes in one event of an Event Grid trigger. @throws when it was not written, so that it is sent again. */
export async function receiveFromEventGrid(event: unknown, context: InvocationContext): Promise<void> {
  assertProduced(await acceptEvents(acceptOptions(context), [fromEventGrid(event)]));
}

/** Publishes the event of a schedule's occurrence. @throws when it was not written. */
export async function publishSchedule(name: string, timer: Timer, context: InvocationContext): Promise<void> {
  const schedule = config.schedules[name];
  assert(schedule !== undefined, 'a timer is registered for configured schedules only');
  // The status is missing for schedules that fire more often than once a minute.
  const occurrenceMs = occurrenceOf(timer.scheduleStatus?.next, clock.now());
  assertProduced(await acceptEvents(acceptOptions(context), [scheduledEvent(name, schedule, occurrenceMs)]));
}

/** Runs the drain once over all subscriptions. */
export async function drainOnce(context: InvocationContext): Promise<DrainSummary> {
  return drain({
    subscriptions: Object.entries(config.subscriptions).map(([name, subscription]) => ({
      name,
      topics: subscription.topics,
      start: subscription.start,
      attemptMs: subscription.endpoint.timeoutMs,
      deliver: deliverTo(subscription),
    })),
    log: createRecordLog(client),
    store: await openCheckpoints(),
    clock,
    report: logOf(context),
    owner: `${context.invocationId}/${randomUUID()}`,
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
        await client.listBrokers({ timeoutMs: healthDeadlineMs });
      },
      storage: async () => {
        await (await openCheckpoints()).list('');
      },
    },
    clock,
    report: logOf(context),
    deadlineMs: healthDeadlineMs,
  });
}

function connectProxy(proxy: BridgeConfig['proxy'], send: HttpSend): KafkaRest {
  const tokens = createTokens({ acquire: acquireWith(proxy.auth, proxy.scope), clock });
  return createKafkaRest({ url: proxy.url, tokens, send, clock, random, timeoutMs: proxy.timeoutMs });
}

function acceptOptions(context: InvocationContext) {
  return { routes: config.routes, write: createWriteRecords({ client, creation, report: logOf(context) }) };
}

function deliverTo({ endpoint, retry }: SubscriptionConfig): Deliver {
  return async (record, failures) => {
    const outcome = await attemptDelivery({ send: webhookPool.send, clock }, endpoint, record);
    return verdictOf(outcome, {
      failures: failures + 1,
      delaysMs: retry.delaysMs,
      nowMs: clock.now(),
      random,
    });
  };
}

function openCheckpoints(): Promise<CheckpointStore> {
  checkpoints ??= (async () => {
    const { openTable } = await import('./storage/table/open-table.ts');
    const { createTableCheckpointStore } = await import('./storage/table/checkpoint-store.ts');
    return createTableCheckpointStore(await openTable(config.storage, 'checkpoints'));
  })();
  return checkpoints;
}

function logOf(context: InvocationContext): Log {
  return {
    info: (event, fields) => context.info(formatLogLine(event, fields)),
    warn: (event, fields) => context.warn(formatLogLine(event, fields)),
    error: (event, fields) => context.error(formatLogLine(event, fields)),
  };
}
