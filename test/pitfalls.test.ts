import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createFaults } from '../proxy/faults.ts';
import { openTestProxy, type TestProxy } from '../proxy/test-proxy.ts';
import type { DeliverySettings } from '../src/delivery/deliver.ts';
import type { Subscription } from '../src/drain/drain.ts';
import type { ParkedStore } from '../src/drain/ports.ts';
import type { DeadLetterStore } from '../src/events/dead-letter.ts';
import { createKeep } from '../src/ingest/keep.ts';
import { createOnce } from '../src/ingest/once.ts';
import { flushOutbox } from '../src/ingest/outbox.ts';
import type { OutboxStore } from '../src/ingest/outbox-ports.ts';
import type { WriteRecords } from '../src/ingest/ports.ts';
import { createPressure } from '../src/ingest/pressure.ts';
import { createReceipts, type ReceiptStore } from '../src/ingest/receipts.ts';
import { receiveEvents } from '../src/ingest/receive.ts';
import { prepareRouter } from '../src/ingest/route.ts';
import { createKafkaRest } from '../src/kafka-rest/client.ts';
import { createWriteRecords } from '../src/kafka-rest/write-records.ts';
import type { Clock } from '../src/shared/clock.ts';
import { createHttpPool } from '../src/shared/http.ts';
import { silentLog } from '../src/shared/log.ts';
import { silentTelemetry } from '../src/shared/telemetry.ts';
import { createMemoryDeadLetters } from '../src/storage/memory/dead-letters.ts';
import { createMemoryOutbox } from '../src/storage/memory/outbox.ts';
import { createMemoryParkedStore } from '../src/storage/memory/parked.ts';
import { createMemoryReceipts } from '../src/storage/memory/receipts.ts';
import { createDrainWorld, type WorldOptions } from './support/drain-world.ts';
import { openDelivery, type SeenRequest, startReceiver } from './support/receiver.ts';

// What goes wrong in other people's sinks and bridges, one after the other, as promises of this one.

const orderings = ['partition', 'key', 'none'] as const;
const hourMs = 3_600_000;

/** A status to answer with, and headers where there are some. */
type Reply = number | { readonly status: number; readonly headers: Record<string, string> };
/** What the receiver says to records, named `<partition>@<offset>`. */
type Answer = (names: readonly string[], request: SeenRequest) => Reply | Promise<Reply>;

interface WiredOptions extends WorldOptions {
  readonly settings?: Partial<Omit<DeliverySettings, 'endpoint'>>;
  readonly timeoutMs?: number;
}

/** A drain in memory that delivers over a real connection. The value of each record is its name. */
async function openWiredWorld(t: TestContext, answer: Answer, options: WiredOptions = {}) {
  const { settings, timeoutMs = 2_000, subscription, ...rest } = options;
  /** The names in each request; and those that were answered 2xx. */
  const tried: string[] = [];
  const accepted: string[] = [];
  const receiver = await startReceiver(t, async (request, response) => {
    const names = [JSON.parse(request.body)].flat();
    tried.push(names.join(','));
    const reply = await answer(names, request);
    const { status, headers } = typeof reply === 'number' ? { status: reply, headers: {} } : reply;
    if (status >= 200 && status <= 299) accepted.push(...names);
    response.writeHead(status, headers).end();
  });
  const world = createDrainWorld({
    ...rest,
    limits: { pageRecords: 100, ...rest.limits },
    subscription: { attemptMs: timeoutMs, ...subscription },
  });
  const { read } = world.topics.log;
  world.topics.log.read = async (place) => {
    const { records, nextOffset } = await read(place);
    const named = records.map((record) => ({
      ...record,
      value: JSON.stringify(`${record.partition}@${record.offset}`),
    }));
    return { records: named, nextOffset };
  };
  const { delivery } = await openDelivery(t, receiver.url, {
    form: 'raw',
    clock: world.clock,
    ...settings,
    endpoint: { timeoutMs },
  });
  const restart = (changes?: Partial<Subscription>) => world.restart({ delivery, ...changes });
  restart();
  return {
    ...world,
    restart,
    runElsewhere: () => world.runElsewhere({ delivery }),
    seen: receiver.seen,
    tried,
    accepted,
  };
}

/** Parked records that cannot be stored while `isAway()`. */
function frailParkedStore(isAway: () => boolean): ParkedStore {
  const memory = createMemoryParkedStore();
  return {
    async open(place, epoch) {
      const partition = await memory.open(place, epoch);
      return {
        ...partition,
        write: async (changes) => {
          if (isAway()) throw new Error('storage is away');
          return partition.write(changes);
        },
      };
    },
  };
}

// "Offsets move past a failed record (silent loss)"

for (const ordering of orderings) {
  test(`a failed record is not passed: its offset moves only once it is kept elsewhere (${ordering})`, async (t) => {
    let failing = true;
    const world = await openWiredWorld(t, ([name]) => (failing && name === '0@1' ? 503 : 204), {
      subscription: { ordering },
    });
    const { topics, run, position, parked, accepted, clock } = world;
    topics.add('orders', 0, [
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
    ]);
    await run();
    assert.ok(!accepted.includes('0@1'));
    const place = { subscription: 'audit', topic: 'orders', partition: 0 };
    const kept = (await parked.open(place, Number.MAX_SAFE_INTEGER)).entries.map(({ offset }) => offset);
    const expected = ordering === 'partition' ? { nextOffset: 1n, kept: [] } : { nextOffset: 3n, kept: [1n] };
    assert.deepEqual({ nextOffset: (await position())?.nextOffset, kept }, expected);

    failing = false;
    await clock.advance(1_000);
    await run();
    assert.deepEqual(accepted.toSorted(), ['0@0', '0@1', '0@2']);
    assert.equal((await position())?.nextOffset, 3n);
  });
}

for (const ordering of ['key', 'none'] as const) {
  test(`a failed record that cannot be kept elsewhere is not passed either (${ordering})`, async (t) => {
    let failing = true;
    const world = await openWiredWorld(t, ([name]) => (failing && name === '0@1' ? 503 : 204), {
      subscription: { ordering },
      parked: frailParkedStore(() => failing),
    });
    const { topics, run, position, accepted, clock } = world;
    topics.add('orders', 0, [
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
    ]);
    await assert.rejects(run(), /storage is away/);
    await assert.rejects(run(), /storage is away/);
    const { nextOffset, finished = [] } = (await position()) ?? {};
    assert.equal(nextOffset, 1n);
    assert.ok(finished.every(({ fromOffset }) => fromOffset > 1n));

    failing = false;
    await clock.advance(1_000);
    await run();
    assert.deepEqual([...new Set(accepted)].sort(), ['0@0', '0@1', '0@2']);
    assert.equal((await position())?.nextOffset, 3n);
  });
}

// "One bad record halts the whole sink"

for (const ordering of orderings) {
  test(`one bad record does not halt the sink (${ordering})`, async (t) => {
    const world = await openWiredWorld(t, ([name]) => (name === '0@1' ? 422 : 204), {
      subscription: { ordering, maxInFlight: 1 },
      settings: { retry: { delaysMs: Array(9).fill(1_000), refusedAttemptsMax: 3 } },
    });
    const { topics, run, accepted, tried, letters, position, clock } = world;
    topics.add('orders', 0, [
      [0, 'a'],
      [1, 'b'],
      [2, 'b'],
      [3, 'c'],
    ]);
    topics.add('orders', 1, [0, 1]);
    await run();
    const goesOn = {
      partition: ['0@0', '1@0', '1@1'],
      key: ['0@0', '0@3', '1@0', '1@1'],
      none: ['0@0', '0@2', '0@3', '1@0', '1@1'],
    };
    assert.deepEqual(accepted.toSorted(), goesOn[ordering]);

    for (let runs = 0; runs < 2; runs += 1) {
      await clock.advance(1_000);
      await run();
    }
    assert.equal(tried.filter((name) => name === '0@1').length, 3);
    assert.deepEqual(accepted.toSorted(), ['0@0', '0@2', '0@3', '1@0', '1@1']);
    assert.deepEqual(
      (await letters()).map(({ id }) => id),
      ['orders_0_1'],
    );
    assert.equal((await position())?.nextOffset, 4n);
  });
}

test('one bad record does not take the others of its batch with it', async (t) => {
  const world = await openWiredWorld(t, (names) => (names.includes('0@3') ? 400 : 204), {
    settings: {
      form: { kind: 'array', recordsMax: 10, bytesMax: 10_000, lingerMs: 0 },
      retry: { delaysMs: [1_000], refusedAttemptsMax: 1 },
    },
  });
  world.topics.add('orders', 0, [0, 1, 2, 3, 4, 5, 6]);
  await world.run();
  assert.equal(world.tried[0], '0@0,0@1,0@2,0@3,0@4,0@5,0@6');
  assert.deepEqual(world.accepted.toSorted(), ['0@0', '0@1', '0@2', '0@4', '0@5', '0@6']);
  assert.deepEqual(
    (await world.letters()).map(({ id }) => id),
    ['orders_0_3'],
  );
  assert.equal((await world.position())?.nextOffset, 7n);
});

// "429 and Retry-After ignored"

for (const [status, retryAfter] of [
  [429, '3600'],
  [429, new Date(hourMs).toUTCString()],
  [503, '3600'],
] as const) {
  test(`${status} and Retry-After (${retryAfter}) are heeded, for all records and on all instances`, async (t) => {
    const refusal = { status, headers: { 'retry-after': retryAfter } };
    const world = await openWiredWorld(t, () => (world.tried.length === 1 ? refusal : 204));
    const { topics, run, runElsewhere, accepted, tried, clock } = world;
    topics.add('orders', 0, [[0, 'a']]);
    await run();
    topics.add('orders', 0, [
      [0, 'a'],
      [1, 'b'],
    ]);
    topics.add('orders', 1, [0]);
    for (const waitMs of [0, 1_000, 59_000, hourMs - 60_001]) {
      await clock.advance(waitMs);
      await run();
      await runElsewhere();
      assert.equal(tried.length, 1, `at ${clock.now()} ms`);
    }
    await clock.advance(1);
    await run();
    await run();
    assert.equal(tried.length, 4);
    assert.deepEqual(accepted.toSorted(), ['0@0', '0@1', '1@0']);
  });
}

test('a short Retry-After holds back the records after it too', async () => {
  const { topics, run, requests, delivered, clock } = createDrainWorld({
    subscription: { maxInFlight: 1 },
    answer: () => {
      if (requests.length > 1) return undefined;
      const atMs = 10_000;
      return { kind: 'retry', atMs, error: 'answered 429', endpoint: 'failing', waitUntilMs: atMs };
    },
  });
  topics.add('orders', 0, [
    [0, 'a'],
    [1, 'b'],
  ]);
  const running = run();
  await clock.advance(9_999);
  assert.deepEqual(requests, ['0']);
  await clock.advance(1);
  await running;
  await run();
  assert.deepEqual(delivered.toSorted(), ['0@0', '0@1']);
});

// "Lease shorter than the request timeout, so duplicates"

test('a lease outlasts the request timeout, so a slow receiver gets no duplicate', async (t) => {
  let waiting = false;
  const world = await openWiredWorld(
    t,
    async () => {
      if (!waiting) {
        waiting = true;
        await world.clock.advance(9_900);
        await world.runElsewhere();
        waiting = false;
      }
      return 204;
    },
    {
      timeoutMs: 10_000,
      limits: { leaseMs: 1_000, budgetMs: hourMs },
      subscription: { ordering: 'partition' },
    },
  );
  world.topics.add('orders', 0, [0, 1, 2, 3, 4]);
  await world.run();
  assert.deepEqual(world.tried, ['0@0', '0@1', '0@2', '0@3', '0@4']);
  assert.ok(world.clock.now() >= 5 * 9_900);
});

// Credentials that are wrong for a night make dead letters of a whole backlog

for (const ordering of orderings) {
  test(`a receiver that refuses the credentials gets its backlog once they are right, but for a few dead letters (${ordering})`, async (t) => {
    let refusing = true;
    const world = await openWiredWorld(t, () => (refusing ? 401 : 204), {
      subscription: {
        ordering,
        limits: {
          connectionsMax: 64,
          breaker: { failureRatio: 0.5, attemptsMin: 4, openMs: 30_000, openMsMax: 600_000 },
        },
      },
      settings: { retry: { delaysMs: Array(9).fill(hourMs), refusedAttemptsMax: 3 } },
    });
    const { topics, run, tried, accepted, letters, clock } = world;
    const offsets = [...Array(40).keys()];
    topics.add(
      'orders',
      0,
      offsets.map((offset) => [offset, `k${offset}`]),
    );
    for (let hours = 0; hours < 8; hours += 1) {
      await run();
      await clock.advance(hourMs);
    }
    assert.ok(tried.length <= 16, `${tried.length} attempts`);
    refusing = false;
    for (let runs = 0; runs < 3; runs += 1) {
      await run();
      await clock.advance(hourMs);
    }
    const given = (await letters()).length;
    assert.ok(given <= 8, `${given} dead letters`);
    assert.equal(new Set(accepted).size + given, offsets.length);
  });
}

// "The dead-letter write fails and the offset moves anyway"

for (const ordering of orderings) {
  test(`when the dead letter cannot be written the offset does not move (${ordering})`, async (t) => {
    let away = true;
    const memory = createMemoryDeadLetters();
    const deadLetters: DeadLetterStore = {
      ...memory,
      add: async (letter, key) => {
        if (away) throw new Error('storage is away');
        await memory.add(letter, key);
      },
    };
    const world = await openWiredWorld(t, ([name]) => (name === '0@1' ? 422 : 204), {
      subscription: { ordering },
      deadLetters,
      settings: { retry: { delaysMs: [1_000], refusedAttemptsMax: 1 } },
    });
    const { topics, run, position, letters, accepted, clock } = world;
    topics.add('orders', 0, [0, 1, 2]);
    for (let runs = 0; runs < 2; runs += 1) {
      await assert.rejects(run(), /storage is away/);
      const { nextOffset, finished = [], parked } = (await position()) ?? {};
      assert.deepEqual({ nextOffset, parked: parked?.count }, { nextOffset: 1n, parked: 0 });
      assert.ok(finished.every(({ fromOffset }) => fromOffset > 1n));
      await clock.advance(60_000);
    }

    away = false;
    await run();
    assert.deepEqual(
      (await letters()).map(({ id }) => id),
      ['orders_0_1'],
    );
    assert.equal((await position())?.nextOffset, 3n);
    assert.deepEqual([...new Set(accepted)].sort(), ['0@0', '0@2']);
  });
}

// "Dedupe recorded *before* the produce, so a crash loses the event"

interface Storage {
  readonly receipts: ReceiptStore;
  /** Without it, what cannot be produced at once is the sender's to send again. */
  readonly outbox?: OutboxStore;
}

/** The way in of one instance: sends it CloudEvents with these ids. */
async function openIngest(write: WriteRecords, { receipts, outbox }: Storage, clock: Clock) {
  const parts = { clock, report: silentLog, telemetry: silentTelemetry };
  const carry = createKeep({
    ...parts,
    write,
    outbox,
    ordering: 'relaxed',
    deadLetter: () => assert.fail('nothing here is given up'),
    answerWithinMs: 15_000,
  });
  const router = await prepareRouter([{ name: 'orders', source: 'orders', topic: 'orders', key: 'subject' }]);
  return async (...ids: readonly string[]) => {
    const events = ids.map((id) => ({ specversion: '1.0', id, source: '/shop', type: 'order.placed' }));
    const { status, body = '' } = await receiveEvents(
      {
        ...parts,
        router,
        carry,
        once: createOnce({ ...parts, receipts: createReceipts(receipts, clock) }),
        sources: { orders: { type: 'order.placed', idempotencySeconds: 600 } },
        pressure: createPressure({ inFlightRequestsMax: 10, inFlightBytesMax: 10_000 }),
        readWebhook: () => assert.fail('no webhook is sent here'),
        limits: {
          bodyBytesMax: 10_000,
          depthMax: 20,
          eventsMax: 10,
          attributesBytesMax: 500,
          retryAfterSeconds: 7,
        },
        newId: () => 'new-id',
        now: clock.now,
      },
      {
        sourceName: 'orders',
        headers: new Headers({ 'content-type': 'application/cloudevents-batch+json' }),
        body: new TextEncoder().encode(JSON.stringify(events)),
      },
    );
    const { events: outcomes = [] } = JSON.parse(body) as { events?: { outcome: string }[] };
    return { status, outcomes: outcomes.map(({ outcome }) => outcome) };
  };
}

/** A proxy of a topic of one partition, the way to write there, and the ids of the events that it holds. */
async function openLog(t: TestContext, options: Parameters<typeof openTestProxy>[0] = {}) {
  const proxy: TestProxy = await openTestProxy(options);
  t.after(() => proxy.close());
  proxy.log.createTopic({ name: 'orders', partitionCount: 1, replicationFactor: 1, properties: {} });
  const { clock } = proxy;
  const pool = createHttpPool({
    clock,
    connectionsMax: 2,
    connectTimeoutMs: 1_000,
    answerBytesMax: 100_000,
  });
  t.after(() => pool.close());
  const client = createKafkaRest({
    url: proxy.url,
    tokens: { current: async () => 'token', replace: async () => 'token' },
    send: pool.send,
    clock,
    random: () => 1,
    timeoutMs: 5_000,
  });
  return {
    clock,
    write: createWriteRecords({ client, report: silentLog }),
    ids: () => proxy.log.allRecords('orders').map(({ value }) => JSON.parse(value).id as string),
  };
}

for (const [moment, isProduced] of [
  ['before the produce', false],
  ['between the produce and the receipt', true],
] as const) {
  test(`a receipt is written after the produce, so a crash ${moment} loses nothing`, async (t) => {
    const { clock, write, ids } = await openLog(t);
    const storage = { receipts: createMemoryReceipts() };
    const crashed = Promise.withResolvers<void>();
    const crash: WriteRecords = async (topic, records) => {
      if (isProduced) await write(topic, records);
      crashed.resolve();
      return new Promise(() => undefined);
    };
    const first = await openIngest(crash, storage, clock);
    void first('e1');
    await crashed.promise;

    const second = await openIngest(write, storage, clock);
    assert.deepEqual(await second('e1'), { status: 202, outcomes: ['produced'] });
    const expected = isProduced ? ['e1', 'e1'] : ['e1'];
    assert.deepEqual(ids(), expected, 'twice is allowed, never is not');
    assert.deepEqual(await second('e1'), { status: 202, outcomes: ['produced'] });
    assert.deepEqual(ids(), expected, 'now there is a receipt');
  });
}

// "A 3xx counted as success"

test('a 3xx is no success, and is not followed', async (t) => {
  const statuses = [300, 301, 302, 303, 304, 307, 308];
  const world = await openWiredWorld(
    t,
    () => {
      const status = statuses[world.tried.length - 1];
      return status === undefined ? 204 : { status, headers: { location: '/elsewhere' } };
    },
    {
      subscription: { ordering: 'partition' },
      settings: { retry: { delaysMs: Array(10).fill(1_000), refusedAttemptsMax: 1 } },
    },
  );
  world.topics.add('orders', 0, [0]);
  for (const status of statuses) {
    await world.run();
    const { nextOffset, retry } = (await world.position()) ?? {};
    assert.deepEqual([nextOffset, retry?.error], [0n, `answered ${status}`]);
    await world.clock.advance(1_000);
  }
  await world.run();
  assert.deepEqual(world.accepted, ['0@0']);
  assert.equal((await world.position())?.nextOffset, 1n);
  assert.ok(world.seen.every(({ path }) => path === '/hook'));
  assert.equal(world.seen.length, statuses.length + 1);
});

// "A 200 with per-record errors counted as success"

test('a 200 with per-record errors is no success: the sender is told to send again', async (t) => {
  const faults = createFaults();
  const { clock, write, ids } = await openLog(t, { faults });
  const send = await openIngest(write, { receipts: createMemoryReceipts() }, clock);
  const recordError = { errorCode: 7, message: 'timed out', valueIncludes: 'bad' };
  faults.set([{ operation: 'produce', recordError }]);
  const refused = await send('good', 'bad');
  assert.equal(refused.status, 503);
  assert.deepEqual(ids(), ['good']);
  faults.clear();
  await clock.advance(7_000);
  assert.deepEqual(await send('good', 'bad'), { status: 202, outcomes: ['produced', 'produced'] });
  assert.deepEqual(ids(), ['good', 'bad']);
});

test('a 200 with per-record errors is no success: what the log did not take waits in the outbox', async (t) => {
  const faults = createFaults();
  const { clock, write, ids } = await openLog(t, { faults });
  const outbox = createMemoryOutbox();
  const send = await openIngest(write, { receipts: createMemoryReceipts(), outbox }, clock);
  const recordError = { errorCode: 7, message: 'timed out', valueIncludes: 'bad' };
  faults.set([{ operation: 'produce', recordError }]);
  assert.deepEqual(await send('good', 'bad'), { status: 202, outcomes: ['produced', 'queued'] });

  const flush = () =>
    flushOutbox({
      outbox,
      write,
      deadLetters: createMemoryDeadLetters(),
      clock,
      random: () => 1,
      report: silentLog,
      telemetry: silentTelemetry,
      owner: 'flush',
      abandonedLeases: new Map(),
      ordering: 'relaxed',
      limits: {
        budgetMs: 60_000,
        produceMs: 5_000,
        leaseMs: 10_000,
        topicsMax: 1,
        pageBatches: 1,
        backoff: { baseMs: 1_000, capMs: 1_000 },
      },
    });
  assert.equal((await flush()).postponed, 1);
  assert.equal(await outbox.hasBacklog('orders'), true);
  faults.clear();
  await clock.advance(60_000);
  assert.equal((await flush()).produced, 1);
  assert.deepEqual(ids(), ['good', 'bad']);
  assert.equal(await outbox.hasBacklog('orders'), false);
});

// "An idempotency key without the partition in it"

test('the webhook-id names topic, partition and offset, and is the same at each attempt', async (t) => {
  const ids = new Map<string, string[]>();
  const world = await openWiredWorld(
    t,
    ([name = ''], { headers }) => {
      const id = String(headers['webhook-id']);
      const names = ids.get(id) ?? [];
      ids.set(id, [...names, name]);
      return names.length === 0 ? 500 : 204;
    },
    { subscription: { topics: ['orders', 'orders.v1'] } },
  );
  for (const topic of ['orders', 'orders.v1']) {
    for (const partition of [0, 1]) world.topics.add(topic, partition, [0, 1]);
  }
  await world.run();
  await world.clock.advance(1_000);
  world.restart();
  await world.run();
  const places = ['0@0', '0@1', '1@0', '1@1'];
  const expected = ['orders', 'orders~v1'].flatMap((topic) =>
    places.map((name) => [`${topic}_${name.replace('@', '_')}`, [name, name]]),
  );
  assert.deepEqual(Object.fromEntries(ids), Object.fromEntries(expected));
});

test('the webhook-id of a batch is another in another partition', async (t) => {
  const ids: unknown[] = [];
  const world = await openWiredWorld(
    t,
    (_names, { headers }) => {
      ids.push(headers['webhook-id']);
      return 204;
    },
    { settings: { form: { kind: 'array', recordsMax: 10, bytesMax: 10_000, lingerMs: 0 } } },
  );
  for (const partition of [0, 1]) world.topics.add('orders', partition, [0, 1, 2]);
  await world.run();
  assert.deepEqual(world.tried.toSorted(), ['0@0,0@1,0@2', '1@0,1@1,1@2']);
  assert.equal(new Set(ids).size, 2);
});

// "A retry that sleeps inside a partition for hours"

for (const ordering of orderings) {
  test(`no invocation sleeps for a retry that is hours away (${ordering})`, {
    timeout: 10_000,
  }, async (t) => {
    let failing = true;
    const world = await openWiredWorld(t, ([name]) => (failing && name === '0@0' ? 503 : 204), {
      subscription: { ordering },
      settings: { retry: { delaysMs: [6 * hourMs], refusedAttemptsMax: 1 } },
    });
    const { topics, run, plan, position, accepted, tried, clock } = world;
    topics.add('orders', 0, [0]);
    topics.add('orders', 1, [0, 1]);
    // It ends although time stands still.
    await run();
    assert.deepEqual(accepted.toSorted(), ['1@0', '1@1']);
    assert.equal((await position())?.lease, null);

    failing = false;
    world.restart();
    await clock.advance(6 * hourMs - 1);
    assert.deepEqual(await plan(), []);
    await clock.advance(1);
    await run();
    assert.equal(tried.filter((name) => name === '0@0').length, 2);
    assert.ok(accepted.includes('0@0'));
  });
}
