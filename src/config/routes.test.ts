import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schemaWords } from '../shared/schema-words.ts';
import { routeSchema } from './routes.ts';

function complaints(route: object): string {
  const parsed = routeSchema.safeParse({ topic: 'orders', ...route }, { error: schemaWords });
  if (parsed.success) return 'accepted';
  return parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n');
}

test('a route needs a topic only, and defaults fill the rest', () => {
  assert.deepEqual(routeSchema.parse({ topic: 'orders' }), {
    topic: 'orders',
    key: 'partitionkey',
    value: 'cloudevents',
    onInvalid: 'reject',
  });
});

test('every field that a route can have is read', () => {
  const route = {
    name: 'orders',
    source: 'orders',
    filter: {
      all: [
        { exact: { type: 'order.created', '/state': 'open' } },
        { not: { any: [{ suffix: { id: 'x' } }] } },
      ],
    },
    schema: { type: 'object' },
    transform: '{"id": data.id}',
    topic: 'orders.{/customer/region}',
    key: '/customer/id',
    partition: '/shard',
    value: 'raw',
    onInvalid: { topic: 'orders.rejected' },
  };
  assert.deepEqual(routeSchema.parse(route), route);
  assert.equal(complaints({ schema: 'schemas/order.json' }), 'accepted');
});

test('what is wrong is refused with what would be right', () => {
  const cases: [object, RegExp][] = [
    [{ filter: { prefx: { type: 'a' } } }, /filter: takes no "prefx"; it takes: exact, prefix/],
    [{ filter: {} }, /filter: must have exactly one of exact, prefix, suffix, all, any, not/],
    [{ filter: { exact: { type: 'a' }, prefix: { id: 'b' } } }, /filter: must have exactly one of/],
    [{ filter: { exact: {} } }, /filter\.exact: must name at least one/],
    [{ filter: { exact: { type: '' } } }, /filter\.exact\.type: must not be empty/],
    [{ filter: { all: [] } }, /filter\.all: must hold at least one filter/],
    [{ filter: { not: { exact: {} } } }, /filter\.not\.exact: must name/],
    [{ topic: 'a topic' }, /topic: must be a Kafka topic name/],
    [{ topic: 'orders.{Type}' }, /topic: \{Type\} must be an attribute name/],
    [{ key: 'Subject' }, /key: must be an attribute name .* or a JSON Pointer/],
    [{ key: 'data' }, /key: must be an attribute name/],
    [{ key: '/a~b' }, /key: must be an attribute name/],
    [{ partition: 3 }, /partition: /],
    [{ schema: 3 }, /schema: must be a JSON Schema \(an object\), or the path/],
    [{ onInvalid: 'drop' }, /onInvalid: must be "reject" or \{ "topic"/],
    [{ onInvalid: { topik: 'a' } }, /onInvalid: must be "reject" or/],
    [{ value: 'structured' }, /value: must be one of: cloudevents, raw/],
  ];
  for (const [route, expected] of cases) assert.match(complaints(route), expected);
});
