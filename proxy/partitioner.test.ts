import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPartitioner, murmur2 } from './partitioner.ts';

// The vectors of Apache Kafka's own UtilsTest.testMurmur2.
const published = {
  '21': -973932308,
  foobar: -790332482,
  'a-little-bit-long-string': -985981536,
  'a-little-bit-longer-string': -1486304829,
  lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
  abc: 479470107,
};

test("keys hash to the numbers that Kafka's own tests publish", () => {
  for (const [key, hash] of Object.entries(published)) assert.equal(murmur2(Buffer.from(key)), hash, key);
});

test('a key always goes to the partition Kafka would choose, wherever other records went', () => {
  const choose = createPartitioner();
  const place = (key: string) => choose('orders', 10, { key, partition: undefined });
  assert.equal(place('abc'), 7);
  assert.equal(place('21'), (-973932308 & 0x7fffffff) % 10);
  assert.equal(place('abc'), 7);
});

test('records without a key take the partitions of their topic in turn', () => {
  const choose = createPartitioner();
  const place = (topic: string) => choose(topic, 3, { key: null, partition: undefined });
  assert.deepEqual([place('a'), place('a'), place('b'), place('a'), place('a')], [0, 1, 0, 2, 0]);
});

test('a partition that the producer names counts for more than the key', () => {
  assert.equal(createPartitioner()('orders', 10, { key: 'abc', partition: 3 }), 3);
});
