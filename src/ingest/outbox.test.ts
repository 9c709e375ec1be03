import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../test/support/manual-clock.ts';
import type { DeadLetterStore } from '../events/dead-letter.ts';
import { silentLog } from '../shared/log.ts';
import { silentTelemetry } from '../shared/telemetry.ts';
import { createMemoryDeadLetters } from '../storage/memory/dead-letters.ts';
import { createMemoryOutbox } from '../storage/memory/outbox.ts';
import { type FlushOptions, flushOutbox } from './outbox.ts';
import type { OutboxStore } from './outbox-ports.ts';
import type { WriteOutcome } from './ports.ts';

const limits = {
  budgetMs: 60_000,
  produceMs: 2_000,
  leaseMs: 10_000,
  topicsMax: 4,
  pageBatches: 2,
  backoff: { baseMs: 1_000, capMs: 8_000 },
};

const down: WriteOutcome = { ok: false, code: 'kafka-rest.unreachable', message: 'no answer' };
const away: WriteOutcome = { ...down, away: true };
const tooLarge: WriteOutcome = { ok: false, code: 'kafka-rest.refused', message: 'too large', lasting: true };

/** An outbox in memory, and a log that confirms everything unless `answer` says otherwise for a value. */
function setup() {
  const clock = createManualClock(1_000_000);
  const outbox = createMemoryOutbox();
  const deadLetters = createMemoryDeadLetters();
  const produced: unknown[] = [];
  const log = { calls: 0, answer: (_value: unknown): WriteOutcome => ({ ok: true }) };
  const abandonedLeases = new Map<string, string>();
  let flushes = 0;

  const options = (change: Partial<FlushOptions>): FlushOptions => {
    flushes += 1;
    return {
      outbox,
      deadLetters,
      clock,
      random: () => 1 - Number.EPSILON,
      report: silentLog,
      telemetry: silentTelemetry,
      owner: `flush-${flushes}`,
      abandonedLeases,
      ordering: 'strict',
      limits,
      write: async (_topic, records) => {
        log.calls += 1;
        return records.map(({ value }) => {
          const outcome = log.answer(value);
          if (outcome.ok) produced.push(value);
          return outcome;
        });
      },
      ...change,
    };
  };
  return {
    clock,
    outbox,
    deadLetters,
    produced,
    log,
    flush: (change: Partial<FlushOptions> = {}) => flushOutbox(options(change)),
    add: (values: unknown[], topic = 'orders') =>
      outbox.add(
        topic,
        values.map((value) => ({ value })),
        clock.now(),
      ),
    async waiting(topic = 'orders') {
      const batches = await outbox.list(topic, 100);
      return batches.map(({ records }) => records.map(({ value }) => value));
    },
  };
}

/** A store of which one method is replaced. */
function withMethod<Store extends OutboxStore | DeadLetterStore>(
  store: Store,
  methods: Partial<Store>,
): Store {
  return { ...store, ...methods };
}

test('what was added is produced in order, topic by topic, and leaves the outbox', async () => {
  const { add, flush, produced, outbox } = setup();
  for (const values of [[1, 2], [3], [4], [5, 6], [7]]) await add(values);
  await add(['a'], 'audit');
  assert.deepEqual(await flush(), { topics: 2, produced: 8, postponed: 0, deadLettered: 0 });
  assert.deepEqual(
    produced.filter((value) => value !== 'a'),
    [1, 2, 3, 4, 5, 6, 7],
  );
  assert.deepEqual(await outbox.topics(), []);
  assert.deepEqual(await flush(), { topics: 0, produced: 0, postponed: 0, deadLettered: 0 });
});

test('a batch leaves the outbox only after the log has confirmed it', async () => {
  const { add, flush, waiting } = setup();
  await add([1]);
  await flush({
    write: async (_topic, records) => {
      assert.deepEqual(await waiting(), [[1]]);
      return records.map(() => ({ ok: true }));
    },
  });
  assert.deepEqual(await waiting(), []);
});

test('a crash between the produce and the removal makes a duplicate and loses nothing', async () => {
  const { add, flush, produced, outbox, clock } = setup();
  await add([1]);
  await add([2]);
  const crashed = async () => {
    throw new Error('the process ended');
  };
  const store = withMethod(outbox, { remove: crashed, replaceLease: claimOnly(outbox) });
  // What a process remembers ends with it.
  await assert.rejects(flush({ outbox: store, abandonedLeases: new Map() }));
  assert.deepEqual(produced, [1]);
  assert.deepEqual(
    await flush(),
    { topics: 0, produced: 0, postponed: 0, deadLettered: 0 },
    'its lease lives on',
  );

  await clock.advance(limits.leaseMs);
  await flush();
  assert.deepEqual(produced, [1, 1, 2]);
});

/** Lets the first write of a lease through, as a process does that ends soon after. */
function claimOnly(outbox: OutboxStore): OutboxStore['replaceLease'] {
  let writes = 0;
  return async (lease) => {
    writes += 1;
    if (writes > 1) throw new Error('the process ended');
    return outbox.replaceLease(lease);
  };
}

test('of two flushes at once one does the work of a topic', async () => {
  const { add, flush, produced } = setup();
  for (const value of [1, 2, 3]) await add([value]);
  const summaries = await Promise.all([flush(), flush()]);
  assert.deepEqual(produced, [1, 2, 3]);
  assert.deepEqual(summaries.map(({ topics }) => topics).sort(), [0, 1]);
});

test('a poisoned record goes to the dead letters with its reason, and its neighbours are produced', async () => {
  const { add, flush, produced, log, deadLetters, outbox } = setup();
  log.answer = (value) => (value === 'poison' ? tooLarge : { ok: true });
  await add([1, 'poison', 2]);
  await add([3]);
  assert.deepEqual(await flush(), { topics: 1, produced: 3, postponed: 0, deadLettered: 1 });
  assert.deepEqual(produced, [1, 2, 3]);
  assert.deepEqual(await outbox.topics(), []);

  const [entry, ...more] = await deadLetters.list('outbox:orders', { max: 10 });
  assert.ok(entry);
  assert.equal(more.length, 0);
  const { letter } = (await deadLetters.get('outbox:orders', entry.key)) ?? {};
  assert.equal(letter?.payload, '{"value":"poison"}');
  assert.deepEqual(letter?.reason, { code: 'kafka-rest.refused', message: 'too large' });
  assert.equal(letter?.topic, 'orders');
});

test('a record stays in the outbox for as long as the dead letters cannot be written', async () => {
  const { add, flush, waiting, log, deadLetters, clock, produced } = setup();
  log.answer = (value) => (value === 'poison' ? tooLarge : { ok: true });
  await add([1, 'poison', 2]);
  const full = withMethod(deadLetters, { add: async () => Promise.reject(new Error('the table is away')) });
  assert.deepEqual(await flush({ deadLetters: full }), {
    topics: 1,
    produced: 2,
    postponed: 1,
    deadLettered: 0,
  });
  assert.deepEqual(await waiting(), [['poison']]);

  await clock.advance(limits.backoff.capMs);
  await flush();
  assert.deepEqual(await waiting(), []);
  assert.deepEqual(produced, [1, 2]);
  assert.equal((await deadLetters.list('outbox:orders', { max: 10 })).length, 1);
});

test('of a batch that was confirmed in part only the rest is produced again', async () => {
  const { add, flush, produced, log, waiting, clock } = setup();
  log.answer = (value) => (value === 2 ? down : { ok: true });
  await add([1, 2, 3]);
  assert.deepEqual(await flush(), { topics: 1, produced: 2, postponed: 1, deadLettered: 0 });
  assert.deepEqual(await waiting(), [[2]]);
  log.answer = () => ({ ok: true });
  await clock.advance(limits.backoff.capMs);
  await flush();
  assert.deepEqual(produced, [1, 3, 2]);
});

test('a record of which the log says nothing counts as not produced', async () => {
  const { add, flush, waiting, outbox } = setup();
  await add([1, 2]);
  await flush({ write: async () => [{ ok: true }] });
  assert.deepEqual(await waiting(), [[2]]);
  assert.match((await outbox.list('orders', 1))[0]?.error ?? '', /^ingest\.unanswered: /);
});

test('strict: a batch that failed holds back its topic, but no other', async () => {
  const { add, flush, produced, log, waiting } = setup();
  log.answer = (value) => (value === 1 ? down : { ok: true });
  await add([1]);
  await add([2]);
  await add(['a'], 'audit');
  assert.deepEqual(await flush(), { topics: 2, produced: 1, postponed: 1, deadLettered: 0 });
  await flush();
  assert.deepEqual(produced, ['a']);
  assert.deepEqual(await waiting(), [[1], [2]]);
});

test('relaxed: later batches pass one that failed, however many wait', async () => {
  const { add, flush, produced, log, waiting, clock } = setup();
  log.answer = (value) => (Number(value) <= 5 ? down : { ok: true });
  for (const value of [1, 2, 3, 4, 5, 6, 7]) await add([value]);
  await flush({ ordering: 'relaxed' });
  assert.deepEqual(produced, [6, 7]);
  await add([8]);
  await flush({ ordering: 'relaxed' });
  assert.deepEqual(produced, [6, 7, 8]);
  assert.deepEqual(await waiting(), [[1], [2], [3], [4], [5]]);

  log.answer = () => ({ ok: true });
  await clock.advance(limits.backoff.capMs);
  await flush({ ordering: 'relaxed' });
  assert.deepEqual(produced, [6, 7, 8, 1, 2, 3, 4, 5]);
});

test('a batch waits longer after each failure, up to a bound, and is left alone until then', async () => {
  const { add, flush, log, outbox, clock } = setup();
  log.answer = () => down;
  await add([1]);
  const waits: number[] = [];
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    await flush();
    const [batch] = await outbox.list('orders', 1);
    assert.ok(batch);
    assert.deepEqual([batch.attempts, batch.error], [attempt, 'kafka-rest.unreachable: no answer']);
    const waitMs = batch.nextAttemptMs - clock.now();
    waits.push(waitMs);
    await clock.advance(waitMs - 1);
    await flush();
    assert.equal(log.calls, attempt, 'not before its time');
    await clock.advance(1);
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 8_000]);
});

test('no produce begins that could end after the time is up', async () => {
  const { add, flush, produced, clock, log, waiting } = setup();
  for (const value of [1, 2, 3, 4]) await add([value]);
  const flushing = flush({
    limits: { ...limits, budgetMs: 5_000 },
    write: async (_topic, records) => {
      log.calls += 1;
      await clock.sleep(limits.produceMs);
      produced.push(...records.map(({ value }) => value));
      return records.map(() => ({ ok: true }));
    },
  });
  await clock.advance(60_000);
  assert.deepEqual(await flushing, { topics: 1, produced: 2, postponed: 0, deadLettered: 0 });
  assert.equal(log.calls, 2, 'begun at 0 and 2,000 ms; at 4,000 ms it could end too late');
  assert.deepEqual(await waiting(), [[3], [4]]);

  await flush();
  assert.deepEqual(produced, [1, 2, 3, 4], 'and the next flush finds the topic free');
});

test('a long flush keeps its lease', async () => {
  const { add, flush, produced, clock } = setup();
  const values = Array.from({ length: 20 }, (_, index) => index);
  for (const value of values) await add([value]);
  const flushing = flush({
    write: async (_topic, records) => {
      await clock.sleep(limits.produceMs);
      produced.push(...records.map(({ value }) => value));
      return records.map(() => ({ ok: true }));
    },
  });
  for (let elapsedMs = 0; elapsedMs < 40_000; elapsedMs += 1_000) {
    await clock.advance(1_000);
    await flush();
  }
  await flushing;
  assert.deepEqual(produced, values);
});

test('a flush that has lost its lease stops before the next produce', async () => {
  const { add, flush, produced, outbox, waiting } = setup();
  for (const value of [1, 2, 3]) await add([value]);
  const summary = await flush({
    limits: { ...limits, leaseMs: limits.produceMs + 1 },
    clock: stallingClock(),
    write: async (_topic, records) => {
      const lease = await outbox.readLease('orders');
      assert.ok(lease);
      await outbox.replaceLease({ ...lease, owner: 'somebody else' });
      produced.push(...records.map(({ value }) => value));
      return records.map(() => ({ ok: true }));
    },
  });
  assert.deepEqual(summary, { topics: 1, produced: 1, postponed: 0, deadLettered: 0 });
  assert.deepEqual(await waiting(), [[2], [3]]);
  assert.equal(
    (await outbox.readLease('orders'))?.owner,
    'somebody else',
    'and leaves the lease to its holder',
  );
});

/** A clock on which every look takes a while, so that a lease never lasts for a second produce. */
function stallingClock() {
  const clock = createManualClock(2_000_000);
  let looks = 0;
  return {
    ...clock,
    now: () => {
      looks += 1;
      return clock.now() + looks;
    },
  };
}

test('a flush whose batch another one has written meanwhile stops there', async () => {
  const { add, flush, produced, outbox, waiting } = setup();
  for (const value of [1, 2]) await add([value]);
  await flush({
    write: async (_topic, records) => {
      const [batch] = await outbox.list('orders', 1);
      assert.ok(batch);
      await outbox.replace({ ...batch, attempts: 9 });
      produced.push(...records.map(({ value }) => value));
      return records.map(() => ({ ok: true }));
    },
  });
  assert.deepEqual(produced, [1]);
  assert.deepEqual(await waiting(), [[1], [2]]);
});

test('a topic whose store fails is told of, and the others are flushed all the same', async () => {
  const { add, flush, produced, outbox, clock } = setup();
  await add([1], 'broken');
  await add([2], 'orders');
  const list: OutboxStore['list'] = (topic, max, afterId) =>
    topic === 'broken' ? Promise.reject(new Error('no such luck')) : outbox.list(topic, max, afterId);
  const lines: string[] = [];
  const report = { ...silentLog, error: (event: string) => lines.push(event) };
  await assert.rejects(flush({ outbox: withMethod(outbox, { list }), report }), /no such luck/);
  assert.deepEqual(produced, [2]);
  assert.deepEqual(lines, ['outbox.flush-failed']);

  await clock.advance(1);
  await flush();
  assert.deepEqual(produced, [2, 1], 'its lease was given up');
});

test('while the log is away one call a topic says so, in either order, and the rest waits untried', async () => {
  for (const ordering of ['strict', 'relaxed'] as const) {
    const { add, flush, log, waiting, produced, clock } = setup();
    for (const value of [1, 2, 3]) await add([value]);
    log.answer = () => away;
    assert.deepEqual(await flush({ ordering }), { topics: 1, produced: 0, postponed: 1, deadLettered: 0 });
    assert.equal(log.calls, 1);
    assert.deepEqual(await waiting(), [[1], [2], [3]]);

    log.answer = () => ({ ok: true });
    await clock.advance(limits.backoff.capMs);
    await flush({ ordering });
    assert.deepEqual(produced, [1, 2, 3]);
  }
});

test('a batch that the log only partly refuses does not hold up those that may pass it', async () => {
  const { add, flush, log, produced } = setup();
  await add([1, 2]);
  await add([3]);
  log.answer = (value) => (value === 1 ? away : { ok: true });
  await flush({ ordering: 'relaxed' });
  assert.deepEqual(produced, [2, 3]);
});

test('a lease that could not be given up holds nobody up in the same process, and everybody else until it lapses', async () => {
  const { add, flush, produced, outbox, clock } = setup();
  await add([1]);
  const gone = () => Promise.reject(new Error('the store is away'));
  const store = withMethod(outbox, { list: gone, replaceLease: claimOnly(outbox) });
  const abandonedLeases = new Map<string, string>();
  await assert.rejects(flush({ outbox: store, abandonedLeases }), /the store is away/);
  assert.equal((await flush({ abandonedLeases: new Map() })).topics, 0, 'in another process');
  await flush({ abandonedLeases });
  assert.deepEqual(produced, [1]);
  assert.equal(abandonedLeases.size, 0);

  await add([2]);
  await assert.rejects(flush({ outbox: store, abandonedLeases }), /the process ended/);
  const lease = await outbox.readLease('orders');
  assert.ok(lease);
  await outbox.replaceLease({
    ...lease,
    owner: 'another process',
    expiresAtMs: clock.now() + limits.leaseMs,
  });
  assert.equal((await flush({ abandonedLeases })).topics, 0, "another's lease is respected");
});

test('a lease whose writing was not answered is taken for its own', async () => {
  const { add, flush, produced, outbox } = setup();
  await add([1]);
  const replaceLease: OutboxStore['replaceLease'] = async (lease) => {
    await outbox.replaceLease(lease);
    throw new Error('the answer was lost');
  };
  const abandonedLeases = new Map<string, string>();
  await assert.rejects(
    flush({ outbox: withMethod(outbox, { replaceLease }), abandonedLeases }),
    /the answer was lost/,
  );
  await flush({ abandonedLeases });
  assert.deepEqual(produced, [1]);
});

test('strict: a batch that was added late, behind those produced already, goes before those to come', async () => {
  const { outbox, add, flush, produced } = setup();
  await add(['late']);
  await add(['first']);
  let pages = 0;
  const list: typeof outbox.list = async (topic, max, afterId) => {
    const page = await outbox.list(topic, max, afterId);
    pages += 1;
    if (pages === 1) return page.slice(1);
    if (pages === 2) await add(['next']);
    return page;
  };
  await flush({ outbox: { ...outbox, list } });
  assert.deepEqual(produced, ['first', 'late', 'next']);
});
