import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { createManualClock } from '../test/support/manual-clock.ts';
import { openLog, type TopicLog } from './log.ts';
import type { TopicProperties } from './topic.ts';

const dayMs = 24 * 60 * 60 * 1000;

function openTestLog(t: TestContext, path = ':memory:') {
  const clock = createManualClock();
  const log = openLog({ path, clock });
  t.after(() => log.close());
  return { log, clock };
}

function temporaryFile(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'proxy-log-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'log.db');
}

function createTopic(log: TopicLog, properties: TopicProperties = {}, partitionCount = 1): void {
  log.createTopic({ name: 'orders', partitionCount, replicationFactor: 1, properties });
}

const record = (value: string, partition = 0) => ({ partition, key: null, value });
const everything = { countMax: 1000, bytesMax: 1_000_000 };
const values = (log: TopicLog, partition = 0) =>
  log.allRecords('orders', partition).map(({ value }) => value);

test('each partition counts its offsets from 0 without gaps', (t) => {
  const { log } = openTestLog(t);
  createTopic(log, {}, 2);
  const offsets = log.append('orders', [record('a', 0), record('b', 1), record('c', 0)]);
  assert.deepEqual(offsets, [0n, 0n, 1n]);
  assert.deepEqual(log.ranges('orders'), [
    { earliest: 0n, latest: 2n },
    { earliest: 0n, latest: 1n },
  ]);
});

test('a record comes back as it was, with the time it was appended', (t) => {
  const { log, clock } = openTestLog(t);
  createTopic(log);
  log.append('orders', [{ partition: 0, key: 'naïve \u0000 key', value: '🦥 \u0000 "value"' }]);
  assert.deepEqual(log.allRecords('orders', 0), [
    {
      partition: 0,
      offset: 0n,
      timestampMs: clock.now(),
      key: 'naïve \u0000 key',
      value: '🦥 \u0000 "value"',
    },
  ]);
});

test('when one record of a call cannot be appended, none is', (t) => {
  const { log } = openTestLog(t);
  createTopic(log);
  assert.throws(() => log.append('orders', [record('a'), record('b', 7)]));
  assert.deepEqual(log.range('orders', 0), { earliest: 0n, latest: 0n });
  assert.deepEqual(log.append('orders', [record('c')]), [0n]);
  assert.deepEqual(values(log), ['c']);
});

test('a page ends at its count or before the record that is over its bytes, but is never empty for that', (t) => {
  const { log } = openTestLog(t);
  createTopic(log);
  log.append('orders', [record('aaaa'), record('bbbb'), record('cccc')]);
  const read = (offset: bigint, countMax: number, bytesMax: number) => {
    const page = log.read('orders', 0, { offset, countMax, bytesMax });
    return [page.records.map(({ value }) => value).join(), page.nextOffset];
  };
  assert.deepEqual(read(0n, 2, 100), ['aaaa,bbbb', 2n]);
  assert.deepEqual(read(0n, 3, 8), ['aaaa,bbbb', 2n]);
  assert.deepEqual(read(0n, 3, 11), ['aaaa,bbbb', 2n]);
  assert.deepEqual(read(1n, 3, 1), ['bbbb', 2n]);
  assert.deepEqual(read(2n, 3, 100), ['cccc', 3n]);
  assert.deepEqual(read(3n, 3, 100), ['', 3n]);
});

test('records are kept for seven days unless the topic says otherwise', async (t) => {
  const { log, clock } = openTestLog(t);
  createTopic(log);
  log.append('orders', [record('old')]);
  await clock.advance(dayMs);
  log.append('orders', [record('new')]);
  await clock.advance(6 * dayMs);
  assert.deepEqual(log.range('orders', 0), { earliest: 0n, latest: 2n });
  await clock.advance(1);
  assert.deepEqual(log.range('orders', 0), { earliest: 1n, latest: 2n });
  assert.deepEqual(values(log), ['new']);
  await clock.advance(dayMs);
  assert.deepEqual(log.range('orders', 0), { earliest: 2n, latest: 2n });
  assert.deepEqual(log.append('orders', [record('newer')]), [2n]);
});

test('retention.ms is taken as a number or a string, and -1 keeps records for ever', async (t) => {
  for (const [retention, earliest] of [
    [1000, 1n],
    ['1000', 1n],
    [-1, 0n],
    ['-1', 0n],
  ] as const) {
    const { log, clock } = openTestLog(t);
    createTopic(log, { 'retention.ms': retention });
    log.append('orders', [record('a')]);
    await clock.advance(400 * dayMs);
    assert.deepEqual(log.range('orders', 0), { earliest, latest: 1n }, String(retention));
  }
});

test('retention.bytes cuts each partition off for itself, never below that size', (t) => {
  const { log } = openTestLog(t);
  createTopic(log, { 'retention.bytes': '10' }, 2);
  log.append('orders', [record('aaaa', 1), record('bbbb', 1)]);
  log.append('orders', [record('aaaa'), record('bbbb'), record('cccc')]);
  assert.deepEqual(values(log), ['aaaa', 'bbbb', 'cccc'], 'without the oldest, 8 bytes would remain');
  log.append('orders', [record('ddddd')]);
  assert.deepEqual(values(log), ['bbbb', 'cccc', 'ddddd'], 'without the next, 9 bytes would remain');
  log.append('orders', [record('e')]);
  assert.deepEqual(values(log), ['cccc', 'ddddd', 'e'], 'exactly 10 bytes remain');
  assert.deepEqual(values(log, 1), ['aaaa', 'bbbb']);
  assert.deepEqual(log.range('orders', 0), { earliest: 2n, latest: 5n });
});

test('records can be deleted up to an offset', (t) => {
  const { log } = openTestLog(t);
  createTopic(log, { 'retention.bytes': 8 });
  log.append('orders', [record('a'), record('b'), record('c')]);
  log.deleteRecords('orders', 0, 2n);
  assert.deepEqual(log.range('orders', 0), { earliest: 2n, latest: 3n });
  assert.deepEqual(values(log), ['c']);
  log.append('orders', [record('dddddd')]);
  assert.deepEqual(values(log), ['c', 'dddddd'], 'deleted records no longer count as bytes');
});

test('a topic deleted and created anew starts again, empty, at offset 0', (t) => {
  const { log } = openTestLog(t);
  createTopic(log, {}, 3);
  log.append('orders', [record('a')]);
  log.deleteTopic('orders');
  assert.equal(log.topic('orders'), undefined);
  createTopic(log);
  assert.equal(log.topic('orders')?.partitionCount, 1);
  assert.deepEqual(values(log), []);
  assert.deepEqual(log.append('orders', [record('b')]), [0n]);
});

test('a file keeps topics, records and the earliest offset', (t) => {
  const path = temporaryFile(t);
  const clock = createManualClock();
  const first = openLog({ path, clock });
  createTopic(first, { 'retention.ms': 5000 }, 2);
  first.append('orders', [record('a'), record('b'), record('c', 1)]);
  first.deleteRecords('orders', 0, 1n);
  const topic = first.topic('orders');
  first.close();

  const second = openLog({ path, clock });
  t.after(() => second.close());
  assert.deepEqual(second.topic('orders')?.properties, topic?.properties);
  assert.deepEqual(second.topic('orders')?.createdAtMs, topic?.createdAtMs);
  assert.deepEqual(second.ranges('orders'), [
    { earliest: 1n, latest: 2n },
    { earliest: 0n, latest: 1n },
  ]);
  assert.deepEqual(values(second), ['b']);
});

test('records that are gone no longer take room in the file', async (t) => {
  const path = temporaryFile(t);
  const clock = createManualClock();
  const log = openLog({ path, clock });
  createTopic(log, { 'retention.ms': 1000 });
  log.append('orders', [record('a'), record('b')]);
  await clock.advance(1001);
  log.append('orders', [record('c')]);
  log.close();
  const database = new DatabaseSync(path);
  t.after(() => database.close());
  assert.deepEqual(
    { ...database.prepare('SELECT group_concat(value) AS left FROM records_1').get() },
    { left: 'c' },
  );
});

test('a second process cannot open the same file', (t) => {
  const path = temporaryFile(t);
  const { log } = openTestLog(t, path);
  createTopic(log);
  assert.throws(() => openLog({ path, clock: createManualClock() }), /locked/);
});

test('offsets beyond 2^53 and gaps between them are read to the digit', (t) => {
  const path = temporaryFile(t);
  const clock = createManualClock();
  const first = openLog({ path, clock });
  createTopic(first);
  first.close();
  const database = new DatabaseSync(path);
  database.exec(`UPDATE partitions SET earliest_offset = 9007199254740993, latest_offset = 9007199254741001`);
  const insert = database.prepare(`INSERT INTO records_1 VALUES (?, ${clock.now()}, 1, NULL, 'x')`);
  for (const offset of [9007199254740993n, 9007199254740995n, 9007199254740999n]) insert.run(offset);
  database.close();

  const { log } = openTestLog(t, path);
  const { earliest } = log.range('orders', 0);
  assert.equal(earliest, 9007199254740993n);
  const page = log.read('orders', 0, { offset: earliest, countMax: 2, bytesMax: 100 });
  assert.deepEqual(
    page.records.map(({ offset }) => offset),
    [9007199254740993n, 9007199254740995n],
  );
  assert.equal(page.nextOffset, 9007199254740999n, 'the next offset lies beyond the gap');
  const end = log.read('orders', 0, { offset: 9007199254741000n, ...everything });
  assert.deepEqual(end, { records: [], nextOffset: 9007199254741001n }, 'a gap at the end is walked past');
  assert.deepEqual(log.append('orders', [record('y')]), [9007199254741001n]);
});
