import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventRecord } from '../../test/support/receiver.ts';
import { webhookIdOf } from '../events/record.ts';
import { eventOf } from './record-event.ts';

const textOf = (value: string | null, key: string | null = null) =>
  eventOf({ ...eventRecord, value, key }).text;

test('a record that is no CloudEvent becomes the data of one, nothing in it changed', () => {
  assert.match(textOf('[9007199254740993, {"a": 3.14}]'), /"data":\[9007199254740993, \{"a": 3\.14\}\]/);
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  assert.ok(textOf(deep).length > deep.length, 'however deep it is nested');
  assert.match(textOf('not { json'), /"data":"not \{ json"/);
  assert.match(textOf(null), /"data":null/);
  assert.match(textOf('{"specversion":"9.9"}'), /"type":"kafka\.record".*"data":\{"specversion":"9\.9"\}/);
});

test('the event says where it was: topic, partition, time and key', () => {
  const { event } = eventOf({ ...eventRecord, value: '{"a":1}', key: 'customer-7' });
  assert.deepEqual(event, {
    specversion: '1.0',
    id: 'orders~v1_2_9007199254740993',
    source: '/topics/orders.v1/partitions/2',
    type: 'kafka.record',
    time: new Date(1_795_000_000_000).toISOString(),
    datacontenttype: 'application/json',
    partitionkey: 'customer-7',
    data: { a: 1 },
  });
  assert.deepEqual(event, JSON.parse(textOf('{"a":1}', 'customer-7')));
  assert.equal(eventOf({ ...eventRecord, value: '1', key: 'a\u0000' }).event.partitionkey, undefined);
  assert.equal(eventOf({ ...eventRecord, value: '1', timestampMs: -(2n ** 63n) }).event.time, undefined);
});

test('the webhook-id has no dot, and no two records share one', () => {
  const records = [
    { topic: 'a', partition: 1, offset: 23n },
    { topic: 'a', partition: 12, offset: 3n },
    { topic: 'a_1', partition: 2, offset: 3n },
    { topic: 'a.1', partition: 2, offset: 3n },
    { topic: 'a-1', partition: 2, offset: 3n },
  ];
  const ids = records.map(webhookIdOf);
  assert.equal(new Set(ids).size, records.length);
  assert.ok(ids.every((id) => !id.includes('.')));
});
