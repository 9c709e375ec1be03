import './machine.ts';
import { createAttempts } from '../../src/delivery/attempt.ts';
import type { Delivery, DeliverySettings } from '../../src/delivery/deliver.ts';
import { createWriter } from '../../src/delivery/form.ts';
import { createPrepare } from '../../src/delivery/prepare.ts';
import { createSign } from '../../src/delivery/sign.ts';
import { createDrain } from '../../src/drain/drain.ts';
import type { WorkItem } from '../../src/drain/work-item.ts';
import { compileTransform } from '../../src/events/transform.ts';
import { createBatcher } from '../../src/ingest/batcher.ts';
import { createKeep } from '../../src/ingest/keep.ts';
import { createOnce } from '../../src/ingest/once.ts';
import { flushOutbox } from '../../src/ingest/outbox.ts';
import { createPressure } from '../../src/ingest/pressure.ts';
import { createReceipts } from '../../src/ingest/receipts.ts';
import { type EventsRequest, type ReceiveOptions, receiveEvents } from '../../src/ingest/receive.ts';
import { prepareRouter } from '../../src/ingest/route.ts';
import { createKafkaRest } from '../../src/kafka-rest/client.ts';
import { createRecordLog } from '../../src/kafka-rest/record-log.ts';
import { createTopicCreation } from '../../src/kafka-rest/topic-creation.ts';
import { createWriteRecords } from '../../src/kafka-rest/write-records.ts';
import type { OperateOptions } from '../../src/operate/ports.ts';
import type { Answer } from '../../src/shared/answer.ts';
import { formatLogLine, type Log } from '../../src/shared/log.ts';
import { Secret } from '../../src/shared/secret.ts';
import { silentTelemetry as telemetry } from '../../src/shared/telemetry.ts';
import { createTokens } from '../../src/shared/tokens.ts';
import { createTableCheckpointStore } from '../../src/storage/table/checkpoint-store.ts';
import { createTableDeadLetters } from '../../src/storage/table/dead-letters.ts';
import { createTableOutbox } from '../../src/storage/table/outbox.ts';
import { createTableParkedStore } from '../../src/storage/table/parked.ts';
import { createTableReceipts } from '../../src/storage/table/receipts.ts';
import type { Configurations } from './configurations.ts';
import type { EndpointsModel } from './endpoints.ts';
import type { Instance } from './instance.ts';
import type { ProxyModel } from './proxy.ts';
import type { SubscriptionPlan } from './subscriptions.ts';
import type { TablesModel } from './tables.ts';
import { sources, topics } from './topics.ts';
import type { World } from './world.ts';

/** The bridge as one instance runs it: what the triggers of src/functions call. */
export interface Bridge {
  receive(request: EventsRequest): Promise<Answer>;
  flush(): Promise<void>;
  /** One run of the drain. */
  drain(): Promise<void>;
  /** What there is to drain, for the queue. */
  plan(): Promise<readonly WorkItem[]>;
  walk(item: WorkItem): Promise<void>;
  /** What an operator works with. */
  readonly operate: OperateOptions;
}

/** Everything outside of an instance. */
export interface Outside {
  readonly world: World;
  readonly proxy: ProxyModel;
  readonly tables: TablesModel;
  readonly endpoints: EndpointsModel;
  readonly configurations: Configurations;
}

// The constants of src/composition.ts.
const produceRetry = { attemptsMax: 2, baseMs: 100, capMs: 500, retryAfterMsMax: 1_000 };
const answerWithinMs = 15_000;
const flushBackoff = { baseMs: 1_000, capMs: 60_000 };
const flushTopicsMax = 8;
const flushPageBatches = 4;
const sweptReceiptsMax = 1_000;

// What an operator configures.
const proxyTimeoutMs = 10_000;
export const limits = {
  bodyBytesMax: 1_048_576,
  eventsMax: 100,
  depthMax: 32,
  attributesBytesMax: 65_536,
  retryAfterSeconds: 5,
  inFlightBytesMax: 1_048_576,
};
const idempotencySeconds = 3_600;
const tokenLifeMs = 3_600_000;
const signingSecret = new Secret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');

/** Compiled once: it is a function of the event alone. The data stay as they are, unless nothing can be made of them. */
const transformText = 'data.poison ? $error("cannot be transformed") : data';
const transform = await compileTransform(transformText);

/** Wires the real code for one instance, as src/composition.ts does. */
export async function createBridge(outside: Outside, instance: Instance): Promise<Bridge> {
  const { world, proxy, tables } = outside;
  const { clock } = instance;
  const configuration = outside.configurations.of(instance.name);
  const { ingest } = world.plan;
  const chance = world.chance(`code of ${instance.name}`);
  const random = chance.next;
  const report = logOf(world, instance);
  const abandonedLeases = new Map<string, string>();
  let ids = 0;
  const newId = () => {
    ids += 1;
    return `${instance.name}-${ids}`;
  };

  const access = {
    url: 'https://proxy.test',
    tokens: createTokens({
      acquire: () =>
        instance.call('tokens', (caller) => {
          world.after(chance.latencyMs(50, 500), () =>
            caller.resolve({ value: 'token', expiresAtMs: clock.now() + tokenLifeMs }),
          );
        }),
      clock,
    }),
    send: instance.http((request) => proxy.serve(request)),
    clock,
    random,
    timeoutMs: proxyTimeoutMs,
  };
  const client = createKafkaRest(access);
  const creation = ingest.createsTopic
    ? createTopicCreation({
        client,
        topics: new Set([topics.orders]),
        settings: { partitions: world.plan.partitions, listedWithinMs: 10_000 },
      })
    : undefined;
  const write = createWriteRecords({
    client: createKafkaRest({ ...access, retry: produceRetry }),
    creation,
    report,
  });
  const outbox = createTableOutbox(tables.client(instance, 'outbox'), instance.name);
  const receipts = createTableReceipts(tables.client(instance, 'receipts'));
  const deadLetters = createTableDeadLetters(tables.client(instance, 'deadletters'), instance.name);

  const receiveOptions: ReceiveOptions = {
    router: await prepareRouter([
      { source: sources.orders, topic: topics.orders, key: 'subject' },
      { source: sources.metrics, topic: topics.metrics, key: '/key', value: 'raw' },
    ]),
    carry: createBatcher({
      carry: createKeep({
        write,
        outbox,
        ordering: ingest.ordering,
        bury: ({ topic, record, code, message }) =>
          deadLetters.add({
            origin: `ingest:${topic}`,
            id: '',
            topic,
            payload: JSON.stringify(record),
            reason: { code, message },
            atMs: clock.now(),
          }),
        answerWithinMs,
        clock,
        report,
        telemetry,
      }),
      clock,
      telemetry,
      limits: {
        lingerMs: 1,
        batchRecordsMax: ingest.batchRecordsMax,
        batchBytesMax: 1_048_576,
        callsMax: ingest.ordering === 'strict' ? 1 : ingest.callsMax,
      },
    }),
    once: createOnce({ receipts: createReceipts(receipts, clock), clock, report, telemetry }),
    telemetry,
    sources: {
      [sources.orders]: { type: 'order', idempotencySeconds },
      [sources.metrics]: { type: 'metric' },
    },
    pressure: createPressure({ ...limits, inFlightRequestsMax: ingest.inFlightRequestsMax }),
    readWebhook: () => Promise.reject(new Error('no webhooks come here')),
    limits,
    newId,
    now: clock.now,
  };

  const checkpoints = createTableCheckpointStore(tables.client(instance, 'checkpoints'));
  const log = createRecordLog(client);
  const deliveries = new Map(
    configuration.subscriptions.map((plan) => [plan.name, openDelivery(outside, instance, plan, random)]),
  );
  const deliveryOf = (name: string) => deliveries.get(name) as Delivery;
  const drain = createDrain({
    subscriptions: configuration.subscriptions.map((plan) => ({
      ...plan,
      limits: plan,
      delivery: deliveryOf(plan.name),
      attemptMs: plan.timeoutMs,
    })),
    log,
    checkpoints,
    parked: createTableParkedStore(tables.client(instance, 'parked'), instance.name),
    deadLetters,
    clock,
    telemetry,
    limits: configuration.drain,
  });
  const context = () => ({ owner: `${instance.name}:${newId()}`, report });

  return {
    async drain() {
      await drain.run(context());
    },
    plan: () => drain.plan(context()),
    async walk(item) {
      await drain.walk(item, context());
    },
    operate: {
      subscriptions: new Map(
        configuration.subscriptions.map((plan) => [
          plan.name,
          { topics: plan.topics, settings: settingsOf(plan), delivery: deliveryOf(plan.name) },
        ]),
      ),
      openDelivery: () => Promise.reject(new Error('operators here send nothing elsewhere')),
      log,
      checkpoints,
      deadLetters,
      outbox,
      produceAgain: () => Promise.resolve({ ok: false, error: 'nothing is produced again here' }),
      pace: { perMinute: () => null },
      clock,
      report,
      newId,
    },
    receive: (request) => receiveEvents(receiveOptions, request),
    async flush() {
      await flushOutbox({
        outbox,
        write,
        deadLetters,
        clock,
        random,
        report,
        telemetry,
        abandonedLeases,
        owner: newId(),
        ordering: ingest.ordering,
        limits: {
          budgetMs: 60_000,
          produceMs: proxyTimeoutMs * 4,
          leaseMs: 60_000,
          topicsMax: flushTopicsMax,
          pageBatches: flushPageBatches,
          backoff: flushBackoff,
        },
      });
      await receipts.sweep(clock.now(), sweptReceiptsMax);
    },
  };
}

/** A subscription as the configuration gives it. */
function settingsOf(plan: SubscriptionPlan): DeliverySettings {
  const { name, form, unwantedKey, transforms, timeoutMs, connectionsMax, delaysMs, refusedAttemptsMax } =
    plan;
  return {
    filter: unwantedKey === undefined ? undefined : { not: { exact: { subject: unwantedKey } } },
    transform: transforms ? transformText : undefined,
    form,
    endpoint: {
      url: `https://${name}.test/hook`,
      headers: {},
      auth: { kind: 'none' },
      signingSecrets: [signingSecret],
      timeoutMs,
      handshake: false,
      allowPrivate: [],
      allowHttp: false,
      connectionsMax,
    },
    retry: { delaysMs, refusedAttemptsMax },
  };
}

/** As createDelivery of src/delivery does, but for the pool of connections. */
function openDelivery(
  { endpoints }: Outside,
  instance: Instance,
  plan: SubscriptionPlan,
  random: () => number,
): Delivery {
  const { filter, form, endpoint, retry } = settingsOf(plan);
  const writer = createWriter(form);
  const alone = { recordsMax: 1, bytesMax: Number.MAX_SAFE_INTEGER, lingerMs: 0 };
  return {
    batch: typeof form === 'string' ? alone : form,
    prepare: createPrepare({
      filter,
      transform: plan.transforms ? transform : undefined,
      endpoint,
      writer,
    }),
    ...createAttempts({
      send: instance.http((request) => endpoints.serve(plan.name, request, instance)),
      clock: instance.clock,
      random,
      url: endpoint.url,
      timeoutMs: endpoint.timeoutMs,
      retry,
      writer,
      headers: { 'user-agent': 'sluice' },
      secrets: [],
      tokens: undefined,
      sign: createSign(endpoint.signingSecrets),
      handshake: undefined,
    }),
  };
}

/** The log of an instance is part of the timeline. */
function logOf(world: World, instance: Instance): Log {
  const note: Log['info'] = (event, fields) => world.note(instance.name, () => formatLogLine(event, fields));
  return { info: note, warn: note, error: note };
}
