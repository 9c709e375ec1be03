import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEvents } from './read-events.ts';

const options = {
  limits: { eventsMax: 2, depthMax: 8, attributesBytesMax: 1_000 },
  newId: () => 'new-id',
  now: () => Date.UTC(2026, 10, 22),
};
const orders = { name: 'orders', type: 'order.received' };
const event = { specversion: '1.0', id: '1', source: '/s', type: 't' };
const binary = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' };

function read(headers: Record<string, string>, body: string, source?: typeof orders) {
  return readEvents(options, {
    headers: new Headers(headers),
    body: new TextEncoder().encode(body),
    source,
  });
}

test('plain JSON for a source becomes the data of a new event', () => {
  for (const type of ['application/json', 'application/json; charset=UTF-8', 'application/vnd.api+json']) {
    assert.deepEqual(read({ 'content-type': type }, '{"total":1}', orders), {
      events: [
        {
          specversion: '1.0',
          id: 'new-id',
          source: '/sources/orders',
          type: 'order.received',
          time: '2026-11-22T00:00:00.000Z',
          datacontenttype: 'application/json',
          data: { total: 1 },
        },
      ],
    });
  }
});

test('a CloudEvent is read as it is in every mode, with a source in the URL or without', () => {
  for (const source of [undefined, orders]) {
    const structured = { 'content-type': 'application/cloudevents+json' };
    assert.deepEqual(read(structured, JSON.stringify(event), source), { events: [event] });
    const batch = { 'content-type': 'application/cloudevents-batch+json' };
    assert.deepEqual(read(batch, JSON.stringify([event, event]), source), { events: [event, event] });
    assert.deepEqual(read(batch, '[]', source), { events: [] });
    assert.deepEqual(read(binary, '', source), { events: [event] });
  }
});

test('a byte order mark before JSON is overlooked', () => {
  const result = read({ 'content-type': 'application/json' }, '\ufeff{}', orders);
  assert.ok('events' in result);
  assert.deepEqual(result.events[0]?.data, {});
});

test('every refusal has its kind, its status and what would be right', () => {
  const json = { 'content-type': 'application/json' };
  const batch = { 'content-type': 'application/cloudevents-batch+json' };
  const cases: [Record<string, string>, string, typeof orders | undefined, number, RegExp][] = [
    [json, '{', orders, 400, /malformed-body/],
    [json, '[[[[[[[[[]]]]]]]]]', orders, 400, /too-deep.*more than 8 deep/],
    [{ ...binary, 'ce-time': 'now' }, '', undefined, 400, /invalid-event.*ce-time must be/],
    [{ ...binary, 'ce-x': 'x'.repeat(1_000) }, '', undefined, 431, /attributes-too-large.*1000 bytes/],
    [batch, JSON.stringify([event, event, event]), undefined, 413, /too-many-events.*at most 2/],
    [
      batch,
      JSON.stringify([event, {}]),
      undefined,
      400,
      /invalid-event.*events\[1\]: specversion is required/,
    ],
    [json, '{}', undefined, 404, /unknown-source.*\/api\/events\/\{source\}/],
    [{ 'content-type': 'text/xml' }, '<a/>', orders, 415, /text\/xml is not supported/],
    [{}, '{}', orders, 415, /\(none\) is not supported/],
    [{ 'content-type': 'application/json; charset=utf-16' }, '{}', orders, 415, /charset utf-16/],
    [
      { 'content-type': 'application/cloudevents+avro' },
      '',
      orders,
      415,
      /cloudevents\+avro is not supported/,
    ],
  ];
  for (const [headers, body, source, status, expected] of cases) {
    const result = read(headers, body, source);
    assert.ok('problem' in result, body);
    assert.equal(result.problem.status, status, result.problem.detail);
    assert.match(JSON.stringify(result.problem), expected);
  }
});
