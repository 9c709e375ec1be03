import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCloudEvent } from '../../../src/events/cloud-event.ts';
import { createKafkaRest } from '../../../src/kafka-rest/client.ts';
import { systemClock as clock, systemRandom as random } from '../../../src/shared/clock.ts';
import { createHttpPool } from '../../../src/shared/http.ts';
import { partitionCount } from './cases.ts';
import { startLogProxy } from './log-proxy.ts';
import { firstOffset, kilobyteValues, mixedValues, numberOf, type ValueBytesOf } from './record-pages.ts';
import { createStandingTopic } from './standing-topic.ts';

const pageBytesMax = 6 * 1_048_576;

/** A topic with so many records in each partition, behind the proxy, read by the bridge's own client. */
async function startTopic(recordsPerPartition: number, valueBytesOf: ValueBytesOf = kilobyteValues) {
  await using parts = new AsyncDisposableStack();
  const topic = createStandingTopic(valueBytesOf);
  topic.append(recordsPerPartition * partitionCount);
  const proxy = await startLogProxy(new Map([['orders', topic]]));
  parts.defer(() => proxy.close());
  const pool = createHttpPool({
    clock,
    connectionsMax: 1,
    connectTimeoutMs: 1_000,
    answerBytesMax: 8_388_608,
  });
  parts.defer(() => pool.close());
  const tokens = { current: async () => 'token', replace: async () => 'token' };
  const { send } = pool;
  const client = createKafkaRest({ url: proxy.url, tokens, send, clock, random, timeoutMs: 5_000 });
  const running = parts.move();
  return {
    topic,
    client,
    read: (offset: number, count: number) =>
      client.consume({ topic: 'orders', partition: 3, offset: BigInt(offset), count }),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

test('a partition that nobody stores is read from its beginning to its end', async () => {
  await using world = await startTopic(25);
  const bounds = await world.client.listPartitions('orders');
  assert.equal(bounds.length, partitionCount);
  assert.deepEqual(await world.client.getPartition('orders', 3), bounds[3]);
  assert.equal(bounds[3]?.latestOffset, BigInt(firstOffset + 25));

  const offsets: bigint[] = [];
  let offset = firstOffset;
  for (let pages = 0; pages < 3; pages += 1) {
    const page = await world.read(offset, 10);
    offsets.push(...page.records.map((record) => record.offset));
    offset = Number(page.nextOffset);
  }
  assert.deepEqual(
    offsets,
    Array.from({ length: 25 }, (_, index) => BigInt(firstOffset + index)),
  );
  const atEnd = await world.read(offset, 10);
  assert.deepEqual(atEnd, { records: [], nextOffset: BigInt(offset) });
});

test('each value is a CloudEvent of a kilobyte that carries its number, and a key stays in its partition', async () => {
  await using world = await startTopic(100);
  const { records } = await world.read(firstOffset, 100);
  for (const { key, value, offset } of records) {
    assert.equal(Buffer.byteLength(value ?? ''), 1_024);
    const parsed = parseCloudEvent(JSON.parse(value ?? ''));
    assert.ok(parsed.ok);
    assert.equal(Number(parsed.event.id), numberOf(3, Number(offset)));
    assert.equal(Number(key?.split('-')[1]) % partitionCount, 3);
  }
  assert.ok(new Set(records.map(({ key }) => key)).size > 80);
});

test('a page of large records ends at the limit of the consumer API', async () => {
  await using world = await startTopic(100, () => 1_000_000);
  const { records, nextOffset } = await world.read(firstOffset, 100);
  assert.equal(records.length, 6);
  assert.equal(nextOffset, BigInt(firstOffset + 6));
  assert.ok(records.reduce((bytes, { value }) => bytes + (value?.length ?? 0), 0) < pageBytesMax);
});

test('mixed sizes are mostly small, sometimes large, and the same each time', () => {
  const sizes = Array.from({ length: 100_000 }, (_, number) => mixedValues(number));
  const larger = (bytes: number) => sizes.filter((size) => size > bytes).length;
  assert.ok(Math.min(...sizes) >= 1_024 && Math.max(...sizes) <= 1_024_000);
  assert.ok(larger(512_000) > 10 && larger(20_480) < 2_000 && larger(2_048) < 12_000);
  assert.equal(mixedValues(4_711), sizes[4_711]);
});

test('what was never read can be taken away, so that a reader comes to the end', async () => {
  await using world = await startTopic(1_000);
  await world.read(firstOffset, 10);
  const left = world.topic.compact();
  // Ten of partition 3, and the last record of each.
  assert.equal(left.events, 10 + partitionCount);

  const last = firstOffset + 999;
  const page = await world.read(firstOffset + 10, 100);
  assert.deepEqual(
    page.records.map(({ offset }) => offset),
    [BigInt(last)],
  );
  assert.equal(page.nextOffset, BigInt(last + 1));

  world.topic.append(partitionCount);
  assert.equal((await world.read(last + 1, 100)).records.length, 1);
});
