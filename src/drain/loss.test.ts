import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDrainWorld } from '../../test/support/drain-world.ts';
import { createMemoryCheckpointStore } from '../storage/memory/checkpoint-store.ts';
import { activeEndpoint } from './endpoint-state.ts';
import type { PartitionBounds } from './ports.ts';

const numbers = (count: number) => [...Array(count).keys()];

/** An operator resumes. */
async function resume(world: ReturnType<typeof createDrainWorld>): Promise<void> {
  const stored = await world.checkpoints.readEndpoint('audit');
  await world.checkpoints.replaceEndpoint(activeEndpoint('audit', world.clock.now()), stored?.version ?? '');
}

/** A topic that was walked to offset 5 and then lost the offsets 5 to 7. */
async function worldWithLoss(dataLoss: 'skip' | 'halt') {
  const world = createDrainWorld({ subscription: { dataLoss } });
  world.topics.add('orders', 0, numbers(5));
  await world.run();
  world.topics.add('orders', 0, numbers(10));
  world.topics.retainFrom('orders', 0, 8n);
  return world;
}

test('while metadata is stale, what retention has just taken hides no record that can be read', async () => {
  const world = createDrainWorld({ limits: { pageRecords: 100 } });
  world.topics.add('orders', 0, numbers(1));
  await world.run();
  world.topics.add('orders', 0, numbers(40));
  world.topics.retainFrom('orders', 0, 7n);
  const stale: PartitionBounds = { partition: 0, earliestOffset: 0n, latestOffset: 40n };
  const { read } = world.topics.log;
  world.topics.log.partitions = async () => [stale];
  world.topics.log.partition = async () => stale;
  let denied = false;
  // An offset out of range is an empty page, and once so is one that can be read.
  world.topics.log.read = async (place) => {
    const deniedNow = !denied && place.offset === 20n;
    denied ||= deniedNow;
    if (place.offset < 7n || deniedNow) return { records: [], nextOffset: place.offset };
    return read(place);
  };
  await world.run();
  const gaps = (await world.position())?.gaps;
  assert.deepEqual(gaps, [{ fromOffset: 1n, toOffset: 7n, atMs: 0, cause: 'empty' }]);
  assert.equal(world.delivered.length, 1 + 33);
});

test('metadata of a topic that was made anew since hide no record of the new one', async () => {
  const world = createDrainWorld();
  world.topics.add('orders', 0, numbers(1));
  const stale: PartitionBounds = { partition: 0, earliestOffset: 1n, latestOffset: 1n };
  const { partition, partitions } = world.topics.log;
  world.topics.log.partitions = async () => [{ partition: 0, earliestOffset: 0n, latestOffset: 0n }];
  await world.run();
  assert.equal((await world.position())?.nextOffset, 0n);

  world.topics.log.partitions = async () => [stale];
  world.topics.log.partition = async () => stale;
  await world.run();
  Object.assign(world.topics.log, { partition, partitions });
  await world.run();
  assert.equal(world.delivered.length, 1);
  assert.deepEqual((await world.position())?.gaps, []);
});

test('a gap by stale metadata ends where a page shows a record', async () => {
  const world = createDrainWorld();
  world.topics.add('orders', 0, numbers(8));
  world.topics.retainFrom('orders', 0, 3n);
  const stale: PartitionBounds = { partition: 0, earliestOffset: 7n, latestOffset: 8n };
  const { log } = world.topics;
  const { partition, partitions, read } = log;
  log.partitions = async () => [{ ...stale, earliestOffset: 0n }];
  log.partition = async () => stale;
  // Offsets without a record come before the first that has one.
  log.read = (place) => read({ ...place, offset: place.offset < 3n ? 3n : place.offset });
  await world.run();
  Object.assign(log, { partition, partitions });
  await world.run();
  const gaps = (await world.position())?.gaps;
  assert.deepEqual(gaps, [{ fromOffset: 0n, toOffset: 3n, atMs: 0, cause: 'retention' }]);
  assert.equal(world.delivered.length, 5);
});

test('halt: records that retention took pause the subscription until an operator resumes', async () => {
  const world = await worldWithLoss('halt');
  await world.run();
  const endpoint = await world.endpoint();
  assert.equal(endpoint?.state, 'paused');
  assert.match(endpoint?.why ?? '', /topic orders, partition 0: retention took the offsets 5 to 7/);
  assert.equal((await world.position())?.nextOffset, 5n);
  await world.run();
  assert.equal(world.delivered.length, 5);

  await resume(world);
  await world.clock.advance(7);
  await world.run();
  assert.deepEqual(world.delivered.slice(5), ['0@8', '0@9']);
  const gap = { fromOffset: 5n, toOffset: 8n, atMs: 7, cause: 'retention' };
  assert.deepEqual((await world.position())?.gaps, [gap]);
  assert.equal((await world.position())?.loss, null);
});

test('halt: a later loss halts again', async () => {
  const world = await worldWithLoss('halt');
  await world.run();
  await resume(world);
  await world.run();
  world.topics.add('orders', 0, numbers(20));
  world.topics.retainFrom('orders', 0, 15n);
  await world.run();
  assert.equal((await world.endpoint())?.state, 'paused');
});

test('halt: an instance that has not heard of the pause does not pass the loss', async () => {
  const world = await worldWithLoss('halt');
  await world.clock.advance(1);
  await world.runElsewhere();
  assert.equal((await world.endpoint())?.state, 'paused');
  assert.equal((await world.walk(0)).end, 'endpoint-closed');
  assert.deepEqual((await world.position())?.gaps, []);
});

test('halt: a crash between the pause and its note does not pass the loss unseen', async () => {
  const world = await worldWithLoss('halt');
  const { replaceEndpoint, createEndpoint } = world.checkpoints;
  const { replace } = world.checkpoints;
  world.checkpoints.createEndpoint = async (endpoint) => {
    const written = await createEndpoint(endpoint);
    world.checkpoints.replace = () => Promise.reject(new Error('killed'));
    return written;
  };
  await assert.rejects(world.run(), /killed/);
  Object.assign(world.checkpoints, { replace, createEndpoint, replaceEndpoint });
  await world.clock.advance(60_000);
  await resume(world);
  await world.run();
  assert.equal((await world.endpoint())?.state, 'paused', 'the operator is asked again');
  assert.deepEqual((await world.position())?.gaps, []);
});

test('a topic made anew is recognised, kept as a gap, and followed from its beginning', async () => {
  const world = createDrainWorld();
  world.topics.add('orders', 0, numbers(5));
  await world.run();
  world.topics.add('orders', 0, numbers(2));
  await world.run();
  assert.equal(world.delivered.length, 5, 'metadata can be stale');
  world.writes.length = 0;
  await world.clock.advance(59_999);
  await world.run();
  assert.deepEqual(world.writes, [], 'until it has been seen long enough nothing is written');
  await world.clock.advance(1);
  await world.run();
  assert.deepEqual(world.delivered.slice(5).sort(), ['0@0', '0@1']);
  const position = await world.position();
  assert.deepEqual(position?.gaps, [{ fromOffset: 5n, toOffset: 0n, atMs: 60_000, cause: 'recreated' }]);
  assert.deepEqual([position?.nextOffset, position?.loss], [2n, null]);
});

test('halt: a topic made anew pauses the subscription first', async () => {
  const world = createDrainWorld({ subscription: { dataLoss: 'halt' } });
  world.topics.add('orders', 0, numbers(5));
  await world.run();
  world.topics.add('orders', 0, numbers(2));
  await world.run();
  await world.clock.advance(60_000);
  await world.run();
  assert.equal((await world.endpoint())?.state, 'paused');
  assert.match((await world.endpoint())?.why ?? '', /made anew/);
  assert.equal(world.delivered.length, 5);
  await resume(world);
  await world.clock.advance(60_000);
  await world.run();
  assert.equal(world.delivered.length, 7);
});

test('stale metadata is not taken for a topic made anew', async () => {
  const world = createDrainWorld();
  world.topics.add('orders', 0, numbers(5));
  await world.run();
  const { partitions } = world.topics.log;
  const stale: PartitionBounds = { partition: 0, earliestOffset: 0n, latestOffset: 3n };
  const { partition } = world.topics.log;
  world.topics.log.partitions = async () => [stale];
  await world.run();
  assert.equal((await world.position())?.loss, null, 'one stale answer is not even a sighting');
  world.topics.log.partition = async () => stale;
  await world.run();
  world.topics.log.partition = partition;
  assert.equal((await world.position())?.loss?.cause, 'recreated');
  await world.clock.advance(60_000);
  await world.run();
  assert.equal((await world.position())?.loss, null, 'a fresh look has shown that it is not so');
  assert.equal((await world.position())?.nextOffset, 5n);

  world.topics.log.partition = async () => stale;
  await world.run();
  assert.equal((await world.position())?.loss?.cause, 'recreated');
  Object.assign(world.topics.log, { partition, partitions });
  await world.run();
  assert.equal((await world.position())?.loss, null, 'each sighting counts for itself');
  assert.deepEqual((await world.position())?.gaps, []);
  assert.equal(world.delivered.length, 5);
});

test('records of the old topic that are parked are dealt with before the new one is begun', async () => {
  let failing = true;
  const world = createDrainWorld({
    answer: ([record]) =>
      failing && record?.offset === 4n
        ? { kind: 'retry', atMs: 90_000, error: 'answered 500', endpoint: 'refusing' }
        : undefined,
  });
  world.topics.add('orders', 0, numbers(5));
  await world.run();
  world.topics.add('orders', 0, numbers(2));
  await world.run();
  await world.clock.advance(60_000);
  await world.run();
  assert.equal(world.delivered.length, 4);
  failing = false;
  await world.clock.advance(30_000);
  await world.run();
  assert.deepEqual(world.delivered.slice(4), ['0@4']);
  await world.run();
  assert.deepEqual(world.delivered.slice(5).sort(), ['0@0', '0@1']);
});

/** Two partitions of five records, of which the last of each is parked until 90 s have passed. */
async function worldWithParked() {
  let failing = true;
  const world = createDrainWorld({
    answer: ([record]) =>
      failing && record?.offset === 4n
        ? { kind: 'retry', atMs: 90_000, error: 'answered 500', endpoint: 'refusing' }
        : undefined,
  });
  for (const partition of [0, 1]) world.topics.add('orders', partition, numbers(5));
  await world.run();
  failing = false;
  world.delivered.length = 0;
  return world;
}

test('while a topic is away nothing fails, and what is parked of it is delivered', async () => {
  const world = await worldWithParked();
  for (const partition of [0, 1]) world.topics.remove('orders', partition);
  world.writes.length = 0;
  await world.run();
  assert.deepEqual(world.writes, []);
  await world.clock.advance(90_000);
  await world.run();
  assert.deepEqual(world.delivered.sort(), ['0@4', '1@4']);
  assert.deepEqual(await world.plan(), []);

  for (const partition of [0, 1]) world.topics.add('orders', partition, numbers(2));
  await world.run();
  await world.clock.advance(60_000);
  await world.run();
  assert.deepEqual(world.delivered.slice(2).sort(), ['0@0', '0@1', '1@0', '1@1'], 'it is followed anew');
});

test('a partition that is gone goes on saying what it lacks, and what is parked of it is delivered', async () => {
  const world = await worldWithParked();
  world.topics.add('orders', 1, numbers(8));
  // Seen once more, and not read to its end.
  world.topics.log.read = () => Promise.reject(new Error('no answer'));
  await assert.rejects(world.run(), /no answer/);
  world.topics.remove('orders', 1);
  await world.clock.advance(90_000);
  assert.equal((await world.walk(1)).end, 'caught-up');
  assert.deepEqual(world.delivered, ['1@4']);
  const { nextOffset, endOffset, parked, gaps } = (await world.position(1)) ?? {};
  assert.deepEqual([nextOffset, endOffset, parked?.count, gaps], [5n, 8n, 0, []]);
  assert.equal((await world.walk(1)).end, 'nothing-to-do');
});

test('what a run has parked that died is delivered, though its partition is gone', async () => {
  const checkpoints = createMemoryCheckpointStore();
  let dies = true;
  const world = createDrainWorld({
    checkpoints: {
      ...checkpoints,
      replace: (checkpoint, version) =>
        dies && checkpoint.lease === null
          ? Promise.reject(new Error('killed'))
          : checkpoints.replace(checkpoint, version),
    },
    answer: () =>
      dies ? { kind: 'retry', atMs: 1_000, error: 'answered 500', endpoint: 'failing' } : undefined,
  });
  world.topics.add('orders', 1, [0]);
  await assert.rejects(world.run(), /killed/);
  assert.equal((await world.position(1))?.parked.count, 0, 'the checkpoint does not know');
  dies = false;
  world.topics.remove('orders', 1);
  await world.clock.advance(10_000);
  await world.run();
  assert.deepEqual(world.delivered, ['1@0']);
  assert.deepEqual(await world.plan(), []);
});
