import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createMemoryLog } from '../../test/support/memory-log.ts';
import type { TopicRecord } from '../events/record.ts';
import { findOffset, offsetOf } from './find-offset.ts';

const topic = 'orders';
/** Steps between offsets (1: no gap), and timestamps. */
const shape = fc.array(
  fc.record({ step: fc.integer({ min: 1, max: 9 }), time: fc.integer({ min: 0, max: 20 }) }),
  {
    maxLength: 60,
  },
);

function logOf(records: readonly { step: number; time: number }[], expired: number) {
  const topics = createMemoryLog();
  topics.add(topic, 0, []);
  let offset = -1n;
  const appended = records.map(({ step, time }) => {
    offset += BigInt(step);
    return topics.append(topic, 0, { offset, timestampMs: BigInt(time) });
  });
  topics.retainFrom(topic, 0, appended[expired]?.offset ?? 0n);
  return { topics, records: appended.slice(appended[expired] === undefined ? 0 : expired) };
}

function find({ log, bounds }: ReturnType<typeof createMemoryLog>, timeMs: number): Promise<bigint> {
  return findOffset(log, topic, bounds(topic, 0), timeMs);
}

/** By looking at every record. */
function naive(records: readonly TopicRecord[], end: bigint, timeMs: number): bigint {
  return records.find(({ timestampMs }) => timestampMs >= BigInt(timeMs))?.offset ?? end;
}

test('timestamps in order, equal ones among them, and gaps: it finds what looking at every record finds', async () => {
  await fc.assert(
    fc.asyncProperty(
      shape,
      fc.nat(10),
      fc.integer({ min: -1, max: 22 }),
      async (records, expired, timeMs) => {
        const ordered = records.toSorted((one, two) => one.time - two.time);
        const made = logOf(
          records.map(({ step }, index) => ({ step, time: ordered[index]?.time ?? 0 })),
          expired,
        );
        const { latestOffset } = made.topics.bounds(topic, 0);
        assert.equal(await find(made.topics, timeMs), naive(made.records, latestOffset, timeMs));
      },
    ),
  );
});

test('timestamps in no order: the record found is not older, and the one before it is', async () => {
  await fc.assert(
    fc.asyncProperty(
      shape,
      fc.nat(10),
      fc.integer({ min: -1, max: 22 }),
      async (records, expired, timeMs) => {
        const made = logOf(records, expired);
        const { latestOffset } = made.topics.bounds(topic, 0);
        const found = await find(made.topics, timeMs);
        const at = made.records.find(({ offset }) => offset === found);
        const before = made.records.findLast(({ offset }) => offset < found);
        assert.ok(found === latestOffset || (at !== undefined && at.timestampMs >= BigInt(timeMs)));
        assert.ok(before === undefined || before.timestampMs < BigInt(timeMs));
      },
    ),
  );
});

test('a long partition takes a few dozen reads', async () => {
  const topics = createMemoryLog();
  topics.add(topic, 0, []);
  for (let index = 0; index < 100_000; index += 1) topics.append(topic, 0);
  assert.equal(await find(topics, 77_777), 77_777n);
  assert.ok(topics.calls.length <= 20, `${topics.calls.length} reads`);
});

test('pages that are empty over a gap, or begin before the offset asked for, are no obstacle', async () => {
  const { log, bounds } = logOf(
    [
      { step: 1, time: 1 },
      { step: 30, time: 5 },
      { step: 1, time: 9 },
    ],
    0,
  ).topics;
  const stubborn: Pick<typeof log, 'read'> = {
    read: async (position) => {
      const page = await log.read(position);
      const [record] = page.records;
      // Only near a record does the page hold it, and then the one before as well.
      if (record === undefined || record.offset > position.offset + 4n) {
        return { records: [], nextOffset: position.offset };
      }
      const { records } = await log.read({ ...position, offset: 0n, count: 1 });
      return { records: [...records, record], nextOffset: record.offset + 1n };
    },
  };
  assert.equal(await findOffset(stubborn, topic, bounds(topic, 0), 3), 30n);
});

test('a log that gives nothing where there should be something is not asked for ever', async () => {
  const { topics } = logOf([{ step: 1_000, time: 1 }], 1);
  const mute = { read: async ({ offset }: { offset: bigint }) => ({ records: [], nextOffset: offset }) };
  await assert.rejects(findOffset(mute, topic, topics.bounds(topic, 0), 1), /seek to an offset instead/);
});

test('an offset must be one that the partition holds, or its end', async () => {
  const topics = createMemoryLog();
  topics.add(topic, 0, []);
  for (let index = 0; index < 10; index += 1) topics.append(topic, 0);
  topics.retainFrom(topic, 0, 4n);
  const { log } = topics;
  const bounds = topics.bounds(topic, 0);
  for (const offset of [4n, 10n]) {
    assert.equal(await offsetOf(log, topic, bounds, { kind: 'offset', offset }), offset);
  }
  for (const offset of [3n, 11n]) {
    const wrong = offsetOf(log, topic, bounds, { kind: 'offset', offset });
    await assert.rejects(wrong, /orders:0 holds 4 up to, not including, 10; \d+ is outside/);
  }
  assert.equal(await offsetOf(log, topic, bounds, { kind: 'earliest' }), 4n);
  assert.equal(await offsetOf(log, topic, bounds, { kind: 'latest' }), 10n);
});
