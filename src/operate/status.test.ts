import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOperateWorld } from '../../test/support/operate-world.ts';
import { begin } from '../drain/checkpoint.ts';
import { activeEndpoint, breakEndpoint } from '../drain/endpoint-state.ts';
import { discardDeadLetters } from './dead-letters.ts';
import { readStatus } from './status.ts';

const iso = (ms: number) => new Date(ms).toISOString();

test('a partition shows how far behind it is, why it waits, and who walks it', async () => {
  const { options, topics, clock, checkpoint } = createOperateWorld();
  const nowMs = clock.now();
  for (let index = 0; index < 20; index += 1) {
    topics.append('orders', 0, { timestampMs: BigInt(nowMs - 90_000 + index) });
  }
  const attempt = { atMs: nowMs - 5_000, latencyMs: 3, status: 503, answer: '' };
  await checkpoint(0, {
    nextOffset: 5n,
    endOffset: 18n,
    finished: [{ fromOffset: 7n, toOffset: 10n }],
    retry: { failures: 1, atMs: nowMs + 1_000, error: 'answered 503', attempts: [attempt] },
    parked: { count: 2, nextAttemptMs: nowMs + 2_000 },
    loss: { cause: 'retention', sinceMs: nowMs - 9, halted: true },
    gaps: [{ fromOffset: 0n, toOffset: 2n, atMs: nowMs - 7, cause: 'retention' }],
    lease: { owner: 'walk-1', expiresAtMs: nowMs + 3_000 },
  });
  const [billing] = (await readStatus(options)).subscriptions;
  assert.deepEqual(billing?.partitions[0], {
    topic: 'orders',
    partition: 0,
    nextOffset: '5',
    endOffset: '20',
    missing: false,
    unread: false,
    lagRecords: 12,
    lagMs: 90_000 - 5,
    perMinute: null,
    parked: { count: 2, nextAttempt: iso(nowMs + 2_000) },
    retry: { failures: 1, since: iso(nowMs - 5_000), nextAttempt: iso(nowMs + 1_000), error: 'answered 503' },
    loss: { cause: 'retention', since: iso(nowMs - 9), halted: true },
    gaps: [{ fromOffset: '0', toOffset: '2', at: iso(nowMs - 7), cause: 'retention' }],
    lease: { owner: 'walk-1', until: iso(nowMs + 3_000) },
  });
  assert.deepEqual([billing.lagRecords, billing.lagMs, billing.parked], [12, 89_995, 2]);
});

test('a partition that was not begun, and one without a backlog, cost no read', async () => {
  const { options, topics, checkpoint } = createOperateWorld();
  topics.append('orders', 0);
  await checkpoint(0, { nextOffset: 1n, endOffset: 1n });
  topics.append('orders', 1);
  const [billing] = (await readStatus(options)).subscriptions;
  assert.deepEqual(
    billing?.partitions.map(({ nextOffset, endOffset, lagRecords }) => [nextOffset, endOffset, lagRecords]),
    [
      ['1', '1', 0],
      [null, '1', 0],
    ],
  );
  assert.ok(!topics.calls.some((call) => call.startsWith('read')));
});

test('a lease that has lapsed holds nobody, and the lag of what retention took is that of what is left', async () => {
  const { options, topics, clock, checkpoint } = createOperateWorld();
  for (const age of [900, 800, 700]) {
    topics.append('orders', 0, { timestampMs: BigInt(clock.now() - age) });
  }
  topics.retainFrom('orders', 0, 2n);
  await checkpoint(0, { lease: { owner: 'dead', expiresAtMs: clock.now() } });
  const [billing] = (await readStatus(options)).subscriptions;
  assert.equal(billing?.partitions[0]?.lease, null);
  assert.equal(billing?.lagMs, 700);
});

test('the breaker shows why it is open and when it probes', async () => {
  const { options, clock } = createOperateWorld();
  const nowMs = clock.now();
  const broken = { why: '18 of 20 failed', nowMs, probeAtMs: nowMs + 30_000 };
  await options.checkpoints.createEndpoint(breakEndpoint(activeEndpoint('billing', 1), broken));
  assert.deepEqual((await readStatus(options)).subscriptions[0]?.endpoint, {
    state: 'broken',
    since: iso(nowMs),
    why: '18 of 20 failed',
    probeAt: iso(nowMs + 30_000),
    openings: 1,
  });
});

test('the rate is what was finished between two looks; a partition moved back has none', async () => {
  const { options, clock, checkpoint } = createOperateWorld();
  let stored = await checkpoint(0, { nextOffset: 100n });
  const lookAt = async (nextOffset: bigint) => {
    const written = await options.checkpoints.replace({ ...stored.checkpoint, nextOffset }, stored.version);
    assert.ok(written);
    stored = written;
    return (await readStatus(options)).subscriptions[0]?.perMinute;
  };
  assert.equal(await lookAt(100n), null);
  await clock.advance(30_000);
  assert.equal(await lookAt(600n), 1_000);
  await clock.advance(1_000);
  assert.equal(await lookAt(600n), 1_000, 'too soon for another rate');
  await clock.advance(60_000);
  assert.equal(await lookAt(10n), null);
});

test('open dead letters are counted by origin, up to a bound', async () => {
  const { options } = createOperateWorld();
  const letter = { id: '1', reason: { code: 'c', message: 'm' }, atMs: 1 };
  for (let index = 0; index < 1_001; index += 1) {
    await options.deadLetters.add({ ...letter, origin: 'billing', payload: String(index) });
  }
  await options.deadLetters.add({ ...letter, origin: 'ingest:orders', payload: '' }, 'k');
  await options.deadLetters.add({ ...letter, origin: 'outbox:orders', payload: '' }, 'k');
  await discardDeadLetters(options, { origin: 'outbox:orders', keys: ['k'] });
  assert.deepEqual((await readStatus(options)).deadLetters, [
    { origin: 'billing', open: 1_000, more: true },
    { origin: 'ingest:orders', open: 1, more: false },
  ]);
});

test('the outbox shows what waits by topic, and why', async () => {
  const { options, clock } = createOperateWorld();
  const outbox = { ...options.outbox };
  const batch = { topic: 'orders', records: [{ value: 1 }, { value: 2 }], version: '1', nextAttemptMs: 0 };
  outbox.topics = async () => ['orders'];
  outbox.list = async () => [
    { ...batch, id: '1', attempts: 3, error: 'no answer' },
    { ...batch, id: '2', attempts: 0, error: '' },
  ];
  assert.deepEqual((await readStatus({ ...options, outbox, clock })).outbox, [
    { topic: 'orders', batches: 2, records: 4, more: false, attempts: 3, error: 'no answer' },
  ]);
});

test('a partition that Kafka does not show is missing, and goes on showing what it holds', async () => {
  const { options, topics, checkpoint } = createOperateWorld();
  const parked = { count: 2, nextAttemptMs: 1_000 };
  await checkpoint(0);
  await checkpoint(1, { nextOffset: 5n, endOffset: 9n, parked });
  const look = async () => {
    const { subscriptions, problems } = await readStatus(options);
    const seen = subscriptions[0]?.partitions.map(({ missing, lagRecords }) => [missing, lagRecords]);
    return [seen, problems];
  };
  topics.remove('orders', 1);
  const one = [
    [false, 0],
    [true, 4],
  ];
  assert.deepEqual(await look(), [one, []]);
  topics.remove('orders', 0);
  const both = [
    [true, 0],
    [true, 4],
  ];
  assert.deepEqual(await look(), [both, ['topic orders: Kafka has no such topic (yet)']]);
});

test('records that stay parked of a topic which is not read any more are shown', async () => {
  const { options, checkpoint } = createOperateWorld();
  const old = { subscription: 'billing', topic: 'old' };
  const parked = { count: 2, nextAttemptMs: 1_000 };
  await checkpoint(0);
  for (const [partition, changes] of [{ parked }, { lease: { owner: 'w', expiresAtMs: 1 } }, {}].entries()) {
    const offsets = { nextOffset: 5n, endOffset: 9n };
    await options.checkpoints.create({ ...begin({ ...old, partition }, offsets), ...changes });
  }
  const [billing] = (await readStatus(options)).subscriptions;
  assert.deepEqual(
    billing?.partitions.map(({ topic, partition, unread }) => [topic, partition, unread]),
    [
      ['orders', 0, false],
      ['orders', 1, false],
      ['old', 0, true],
      ['old', 1, true],
    ],
  );
  assert.deepEqual([billing.parked, billing.lagRecords], [2, 0], 'what is not read is no lag');
});

test('what cannot be looked at is a problem of its own, and the rest is shown', async () => {
  const { options, topics, checkpoint } = createOperateWorld();
  await checkpoint(0, { nextOffset: 5n, endOffset: 9n });
  const away = async () => {
    throw new Error('no answer');
  };
  const status = await readStatus({
    ...options,
    log: { ...topics.log, partitions: away },
    outbox: { ...options.outbox, topics: away },
  });
  assert.deepEqual(status.problems, ['topic orders: Error: no answer', 'outbox: Error: no answer']);
  const [unknown] = status.subscriptions[0]?.partitions ?? [];
  assert.deepEqual([unknown?.lagRecords, unknown?.missing], [4, false], 'nobody knows whether it is missing');
  assert.deepEqual([status.deadLetters, status.outbox], [[], null], 'nothing there, and nothing known');
});
