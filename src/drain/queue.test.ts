import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDrainWorld } from '../../test/support/drain-world.ts';

test('a plan names the partitions with something to do, and a message walks one of them', async () => {
  const { topics, plan, walk, delivered } = createDrainWorld();
  topics.add('orders', 0, [0, 1, 2]);
  topics.add('orders', 1, [0]);
  const items = await plan();
  assert.deepEqual(
    items.toSorted((one, other) => one.partition - other.partition),
    [
      { subscription: 'audit', topic: 'orders', partition: 0 },
      { subscription: 'audit', topic: 'orders', partition: 1 },
    ],
  );
  const result = await walk(0);
  assert.deepEqual([result.end, result.delivered], ['caught-up', 3]);
  assert.deepEqual(delivered.sort(), ['0@0', '0@1', '0@2']);
  assert.deepEqual(
    (await plan()).map(({ partition }) => partition),
    [1],
  );
});

test('a message that comes twice, late, or for what is unknown does no harm', async () => {
  const { topics, plan, walk, delivered } = createDrainWorld();
  topics.add('orders', 0, [0, 1, 2]);
  await plan();
  const results = await Promise.all([walk(0), walk(0), walk(0)]);
  assert.equal(delivered.length, 3);
  assert.equal(results.filter(({ end }) => end === 'caught-up').length, 1);
  assert.equal((await walk(0)).end, 'nothing-to-do');
  assert.equal((await walk(7)).end, 'nothing-to-do');
});

test('a walk by message takes the whole budget, not a turn', async () => {
  const { topics, plan, walk, delivered, clock } = createDrainWorld({
    subscription: { ordering: 'partition' },
    answer: async () => {
      await clock.advance(1_000);
      return undefined;
    },
  });
  topics.add('orders', 0, [...Array(100).keys()]);
  await plan();
  assert.equal((await walk(0)).end, 'out-of-time');
  assert.ok(delivered.length > 50 && clock.now() <= 60_000);
});

test('a plan goes on without a topic that cannot be read, and fails when it has nothing at all', async () => {
  const { topics, plan } = createDrainWorld({ subscription: { topics: ['orders', 'broken'] } });
  topics.add('orders', 0, [0]);
  const { partitions } = topics.log;
  topics.log.partitions = (topic) =>
    topic === 'broken' ? Promise.reject(new Error('the proxy is away')) : partitions(topic);
  assert.equal((await plan()).length, 1);
  topics.log.partitions = () => Promise.reject(new Error('the proxy is away'));
  await assert.rejects(plan(), /the proxy is away/);
});
