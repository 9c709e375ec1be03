import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { silentLog } from '../shared/log.ts';
import { silentTelemetry } from '../shared/telemetry.ts';
import { createMemoryDeadLetters } from '../storage/memory/dead-letters.ts';
import { createMemoryOutbox } from '../storage/memory/outbox.ts';
import { type FlushOptions, flushOutbox } from './outbox.ts';
import type { WriteOutcome, WriteRecords } from './ports.ts';

const limits = {
  budgetMs: 20_000,
  produceMs: 1_000,
  leaseMs: 2_500,
  topicsMax: 2,
  pageBatches: 3,
  backoff: { baseMs: 4_000, capMs: 30_000 },
};
const topics = ['orders', 'audit'];
const calmRoundsMax = 200;

interface Sent {
  readonly topic: string;
  readonly batch: number;
  readonly place: number;
  readonly key: string;
  readonly poison: boolean;
}

/** How often things go wrong, each a probability. */
interface Weather {
  readonly callFails: number;
  readonly keyFails: number;
  readonly answerLost: number;
  readonly storeFails: number;
  readonly crashes: number;
}
const calm: Weather = { callFails: 0, keyFails: 0, answerLost: 0, storeFails: 0, crashes: 0 };

/** A small generator of chance, so that a run can be repeated from its seed (Mulberry32). */
function chanceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One world: a log, an outbox, and flushes that can die at any call. */
function makeWorld(seed: number, ordering: FlushOptions['ordering']) {
  const clock = createManualClock(0);
  const chance = chanceOf(seed);
  const outbox = createMemoryOutbox();
  const deadLetters = createMemoryDeadLetters();
  const sent: Sent[] = [];
  const produced: Sent[] = [];
  const abandonedLeases = new Map<string, string>();
  let weather = calm;
  let flushes = 0;
  let batches = 0;

  /** Every call takes its time, may fail before or after it took effect, and is the last one of a dead process. */
  function unreliable<Store extends object>(store: Store, life: { dead: boolean }): Store {
    return new Proxy(store, {
      get:
        (target, name) =>
        async (...args: unknown[]) => {
          const method: unknown = Reflect.get(target, name);
          assert.ok(typeof method === 'function');
          await clock.sleep(chance() * 300);
          if (chance() < weather.crashes) life.dead = true;
          if (life.dead || chance() < weather.storeFails) throw new Error('no answer from the store');
          const result: unknown = await method.apply(target, args);
          await clock.sleep(chance() * 300);
          if (chance() < weather.crashes) life.dead = true;
          if (life.dead || chance() < weather.storeFails) throw new Error('the answer of the store was lost');
          return result;
        },
    });
  }

  /** As a log does it: a key's partition takes its records in order, and fails for all that follow a failure. */
  const write: WriteRecords = async (_topic, records) => {
    await clock.sleep(chance() * limits.produceMs);
    const failed: WriteOutcome = { ok: false, code: 'down', message: 'down', away: chance() < 0.5 };
    if (chance() < weather.callFails) return records.map(() => failed);
    const failedKeys = new Set<string>();
    const outcomes = records.map(({ value }): WriteOutcome => {
      const record = value as Sent;
      if (record.poison) return { ok: false, code: 'poison', message: 'never', lasting: true };
      if (chance() < weather.keyFails) failedKeys.add(record.key);
      if (failedKeys.has(record.key)) return failed;
      produced.push(record);
      return { ok: true };
    });
    return chance() < weather.answerLost ? records.map(() => failed) : outcomes;
  };

  async function flush(): Promise<void> {
    flushes += 1;
    const life = { dead: false };
    const options: FlushOptions = {
      outbox: unreliable(outbox, life),
      deadLetters: unreliable(deadLetters, life),
      write: async (topic, records) => {
        if (life.dead) throw new Error('dead');
        return write(topic, records);
      },
      clock,
      random: chance,
      report: silentLog,
      telemetry: silentTelemetry,
      owner: `flush-${flushes}`,
      abandonedLeases,
      ordering,
      limits,
    };
    // Failures are the weather here; what they may not do is checked at the end.
    await flushOutbox(options).catch(() => undefined);
  }

  async function add(): Promise<void> {
    const topic = topics[Math.floor(chance() * topics.length)] ?? 'orders';
    const batch = batches++;
    const records = Array.from({ length: 1 + Math.floor(chance() * 4) }, (_, place): Sent => {
      const key = `k${Math.floor(chance() * 3)}`;
      return { topic, batch, place, key, poison: chance() < 0.1 };
    });
    await outbox.add(
      topic,
      records.map((value) => ({ value, key: value.key })),
      clock.now(),
    );
    sent.push(...records);
  }

  return {
    clock,
    chance,
    outbox,
    deadLetters,
    sent,
    produced,
    add,
    flush,
    setWeather: (next: Weather) => (weather = next),
  };
}

type World = ReturnType<typeof makeWorld>;

/** Storm: adds and flushes at random, two and more at once. Then calm, until the outbox is empty. */
async function live(world: World, weather: Weather, steps: number): Promise<void> {
  const { clock, chance, outbox } = world;
  const running: Promise<void>[] = [];
  world.setWeather(weather);
  for (let step = 0; step < steps; step += 1) {
    if (chance() < 0.5) await world.add();
    else running.push(world.flush());
    await clock.advance(chance() * 1_500);
  }
  world.setWeather(calm);
  for (let round = 0; (await outbox.topics()).length > 0; round += 1) {
    assert.ok(round < calmRoundsMax, 'the outbox is never empty again');
    running.push(world.flush(), world.flush());
    await clock.advance(limits.backoff.capMs);
  }
  await clock.advance(limits.budgetMs);
  await Promise.all(running);
}

async function buriedOf({ deadLetters }: World): Promise<Sent[]> {
  const found: Sent[] = [];
  for (const topic of topics) {
    for (const { origin, key } of await deadLetters.list(`outbox:${topic}`, { max: 10_000 })) {
      const stored = await deadLetters.get(origin, key);
      found.push((JSON.parse(stored?.letter.payload ?? '') as { value: Sent }).value);
    }
  }
  return found;
}

const nameOf = ({ topic, batch, place }: Sent) => `${topic} ${batch}.${place}`;

/** Names in the order of their first occurrence. */
const firsts = (records: readonly Sent[], wanted: (record: Sent) => boolean) => [
  ...new Set(records.filter(wanted).map(nameOf)),
];

const rate = fc.double({ min: 0, max: 0.25, noNaN: true });
const storms = fc.record({
  callFails: rate,
  keyFails: rate,
  answerLost: rate,
  storeFails: fc.double({ min: 0, max: 0.1, noNaN: true }),
  crashes: fc.double({ min: 0, max: 0.1, noNaN: true }),
});

for (const ordering of ['strict', 'relaxed'] as const) {
  test(`${ordering}: whatever fails or dies, every record is produced or a dead letter in the end`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), storms, fc.integer({ min: 1, max: 40 }), async (seed, storm, steps) => {
        const world = makeWorld(seed, ordering);
        await live(world, storm, steps);
        const { sent, produced } = world;
        const buried = new Set((await buriedOf(world)).map(nameOf));
        const confirmed = new Set(produced.map(nameOf));
        for (const record of sent) {
          const where = record.poison ? buried : confirmed;
          assert.ok(where.has(nameOf(record)), `${nameOf(record)} is lost`);
        }
        assert.equal(buried.size, sent.filter(({ poison }) => poison).length, 'no good record is given up');

        if (ordering === 'relaxed') return;
        for (const topic of topics) {
          for (const key of ['k0', 'k1', 'k2']) {
            const wanted = (record: Sent) => record.topic === topic && record.key === key && !record.poison;
            assert.deepEqual(firsts(produced, wanted), firsts(sent, wanted), 'the order of a key');
          }
          const batchOrder = [
            ...new Set(produced.filter((record) => record.topic === topic).map((r) => r.batch)),
          ];
          assert.deepEqual(
            batchOrder,
            batchOrder.toSorted((one, two) => one - two),
            'the order of batches',
          );
        }
      }),
      { numRuns: 60 },
    );
  });
}
