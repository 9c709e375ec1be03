import type { DeliverySettings, OpenDelivery } from '../../src/delivery/deliver.ts';
import type { Verdict } from '../../src/delivery/verdict.ts';
import { begin, type Checkpoint } from '../../src/drain/checkpoint.ts';
import type { EndpointLimits } from '../../src/drain/gate.ts';
import type { TopicRecord } from '../../src/events/record.ts';
import { createPace } from '../../src/operate/pace.ts';
import type { OperateOptions } from '../../src/operate/ports.ts';
import { silentLog } from '../../src/shared/log.ts';
import { Secret } from '../../src/shared/secret.ts';
import { createMemoryCheckpointStore } from '../../src/storage/memory/checkpoint-store.ts';
import { createMemoryDeadLetters } from '../../src/storage/memory/dead-letters.ts';
import { createMemoryOutbox } from '../../src/storage/memory/outbox.ts';
import { createManualClock } from './manual-clock.ts';
import { createMemoryLog } from './memory-log.ts';

/** A delivery that keeps what it is given and answers as told; without a script, 200 to everything. */
export interface FakeDelivery extends OpenDelivery {
  closed: boolean;
  /** Requests, each with the offsets that travelled together. */
  readonly requests: { readonly offsets: readonly bigint[]; readonly failures: number }[];
  readonly records: TopicRecord[];
  /** Decides about a request; undefined: done. */
  answer: (records: readonly TopicRecord[]) => Verdict | undefined;
  prepares: (record: TopicRecord) => 'filtered' | 'failed' | undefined;
}

function createFakeDelivery(now: () => number, recordsMax = 1): FakeDelivery {
  const fake: FakeDelivery = {
    batch: { recordsMax, bytesMax: 1_000_000, lingerMs: 0 },
    closed: false,
    close: async () => {
      fake.closed = true;
    },
    requests: [],
    records: [],
    answer: () => undefined,
    prepares: () => undefined,
    prepare: (record) => {
      const kind = fake.prepares(record);
      if (kind === 'filtered') return { kind };
      if (kind === 'failed')
        return { kind, reason: { code: 'delivery.transform', message: 'no such field' } };
      return { kind: 'ready', prepared: { record, target: 'https://example.com', bytes: 10 } };
    },
    attempt: async (prepared, failures) => {
      const records = prepared.map(({ record }) => record);
      fake.requests.push({ offsets: records.map(({ offset }) => offset), failures });
      const verdict: Verdict = fake.answer(records) ?? { kind: 'done' };
      if (verdict.kind === 'done') fake.records.push(...records);
      const status = verdict.kind === 'done' ? 200 : 500;
      return { attempt: { atMs: now(), latencyMs: 12, status, answer: 'said' }, verdict };
    },
  };
  return fake;
}

/** A verdict that asks for another attempt. */
export const tryAgain: Verdict = { kind: 'retry', atMs: 0, error: 'answered 500', endpoint: 'failing' };

const settings: DeliverySettings = {
  form: 'binary',
  endpoint: {
    url: 'https://billing.example.com/{type}',
    headers: { 'x-tenant': 'acme' },
    auth: { kind: 'bearer', token: new Secret('top-secret') },
    signingSecrets: [new Secret('whsec_bG9jYWwtc2luay1zaWduaW5nLXNlY3JldC0wMQ==')],
    timeoutMs: 15_000,
    handshake: { origin: 'bridge.example.com' },
    allowPrivate: ['10.1.0.0/16'],
    allowHttp: false,
    connectionsMax: 64,
  },
  retry: { delaysMs: [1_000], refusedAttemptsMax: 3 },
};

const breaker = { failureRatio: 0.5, attemptsMin: 20, openMs: 30_000, openMsMax: 600_000 };

/** What operations work on, in memory: the topic `orders` of two partitions, read by the subscription `billing`. */
export function createOperateWorld(limits: Partial<EndpointLimits> = {}) {
  const clock = createManualClock();
  const topics = createMemoryLog();
  for (const partition of [0, 1]) topics.add('orders', partition, []);
  const delivery = createFakeDelivery(clock.now);
  const elsewhere = createFakeDelivery(clock.now, 3);
  const produced: string[] = [];
  const opened: DeliverySettings[] = [];
  const options: OperateOptions = {
    subscriptions: new Map([
      [
        'billing',
        {
          topics: ['orders'],
          settings,
          limits: { connectionsMax: 64, breaker, ...limits },
          delivery,
        },
      ],
    ]),
    log: topics.log,
    checkpoints: createMemoryCheckpointStore(),
    deadLetters: createMemoryDeadLetters(),
    outbox: createMemoryOutbox(),
    produceAgain: async (letter) => {
      produced.push(letter.payload);
      return letter.payload === 'bad' ? { ok: false, error: 'too large' } : { ok: true };
    },
    openDelivery: async (settings) => {
      opened.push(settings);
      return elsewhere;
    },
    pace: createPace(),
    clock,
    report: silentLog,
    newId: () => 'test-1',
  };
  return {
    options,
    clock,
    topics,
    delivery,
    elsewhere,
    produced,
    opened,
    /** Stores the checkpoint of a partition of `orders`. */
    checkpoint: async (partition: number, changes: Partial<Checkpoint> = {}) => {
      const place = { subscription: 'billing', topic: 'orders', partition };
      const checkpoint = { ...begin(place, { nextOffset: 0n, endOffset: 0n }), ...changes };
      const stored = await options.checkpoints.create(checkpoint);
      if (stored === undefined) throw new Error('there is one already');
      return stored;
    },
  };
}
