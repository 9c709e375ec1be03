import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CloudEvent, parseCloudEvent } from '../events/cloud-event.ts';
import { topicName } from '../events/topic.ts';
import { parseJson } from '../shared/json.ts';
import { prepareRouter, type Route } from './route.ts';

const event: CloudEvent = {
  specversion: '1.0',
  id: '1',
  source: '/shop',
  type: 'order.created',
  subject: 'customer-7',
  data: parseJson(
    '{"id":9007199254740993,"shard":2,"customer":{"region":"eu"},"list":[],"paid":true,"note":null}',
  ),
};

/** Routes the event by one route. */
async function routeBy(route: Partial<Route>, given = event) {
  const router = await prepareRouter([{ topic: 'orders', key: 'partitionkey', ...route }]);
  return router.route(given);
}

/** The record of the event, by one route. */
async function recordBy(route: Partial<Route>, given = event) {
  const routed = await routeBy(route, given);
  assert.equal(routed.kind, 'record');
  return routed.kind === 'record' ? { topic: routed.topic, ...routed.record } : assert.fail();
}

/** What is wrong with the event, by one route. */
async function problemsBy(route: Partial<Route>, given = event): Promise<string> {
  const routed = await routeBy(route, given);
  assert.equal(routed.kind, 'invalid');
  return routed.kind === 'invalid'
    ? routed.problems.map((each) => `${each.path} ${each.message}`).join('; ')
    : '';
}

test('the first route that fits decides, and what fits none is unrouted', async () => {
  const orders: Route = { name: 'orders', source: 'orders', topic: 'orders', key: 'id' };
  const typed: Route = { name: 'typed', filter: { prefix: { type: 'order.' } }, topic: 'typed', key: 'id' };
  const router = await prepareRouter([orders, typed]);
  const taken = async (given: CloudEvent, source?: string) => {
    const routed = await router.route(given, source);
    return 'route' in routed ? routed.route.name : routed.kind;
  };
  assert.equal(await taken(event, 'orders'), 'orders');
  assert.equal(await taken(event, 'other'), 'typed');
  assert.equal(await taken({ ...event, type: 'x' }), 'unrouted');
  assert.deepEqual(
    router.explain(event, 'other').map(({ mismatch }) => mismatch),
    ['only for events by the source "orders", but the event came by "other"', undefined],
  );
  const [, why] = router.explain({ ...event, type: 'x' });
  assert.equal(why?.mismatch, 'type must begin with "order.", but is "x"');
});

test('a route that does not transform answers at once', async () => {
  const router = await prepareRouter([{ topic: 'orders', key: 'id', schema: { type: 'object' } }]);
  assert.deepEqual(router.route(event), {
    kind: 'record',
    route: { topic: 'orders', key: 'id', schema: { type: 'object' } },
    topic: 'orders',
    record: { value: event, key: '1' },
  });
});

test('a key is found by attribute or by JSON Pointer, and a record may have none', async () => {
  assert.equal((await recordBy({ key: 'subject' })).key, 'customer-7');
  assert.equal((await recordBy({ key: '/id' })).key, '9007199254740993');
  assert.equal((await recordBy({ key: '/paid' })).key, 'true');
  for (const key of ['partitionkey', '/note', '/list', '/missing', '/list/length', '/toString']) {
    assert.ok(!('key' in (await recordBy({ key }))), key);
  }
});

test('a partition is a non-negative integer of the event, or the event is invalid', async () => {
  assert.equal((await recordBy({ partition: '/shard' })).partition, 2);
  assert.equal((await recordBy({ partition: 'shard' }, { ...event, shard: '0' })).partition, 0);
  assert.equal(
    await problemsBy({ partition: '/customer/region' }),
    '/customer/region must be a partition (an integer from 0 to 2147483647), but is "eu"',
  );
  for (const shard of [-1, 1.5, '01', '', '2147483648', 1e21, null, [], undefined]) {
    assert.match(await problemsBy({ partition: '/s' }, { ...event, data: { s: shard } }), /^\/s must be/);
  }
});

test('a topic is filled from the event, or the event is invalid', async () => {
  assert.equal(
    (await recordBy({ topic: 'orders.{/customer/region}.{type}' })).topic,
    'orders.eu.order.created',
  );
  assert.match(await problemsBy({ topic: 'orders.{source}' }), /^source must be letters/);
  assert.match(
    await problemsBy({ topic: '{/t}' }, { ...event, data: { t: '__consumer_offsets' } }),
    /no topic/,
  );
});

test('raw writes nothing but the data, binary data as their Base64', async () => {
  assert.equal((await recordBy({})).value, event);
  assert.equal((await recordBy({ value: 'raw' })).value, event.data);
  assert.equal((await recordBy({ value: 'raw' }, { ...event, data: null })).value, null);
  const { data: _, ...without } = event;
  assert.equal((await recordBy({ value: 'raw' }, { ...without, data_base64: 'AAEC' })).value, 'AAEC');
  assert.equal(
    await problemsBy({ value: 'raw' }, without),
    'data is missing, but the route writes nothing else',
  );
});

test('what follows a transform sees what it made, and a transform can drop or fail an event', async () => {
  const transform = '{"total": 3, "kind": "big"}';
  const record = await recordBy({ transform, topic: 'orders.{/kind}', key: '/total', value: 'raw' });
  assert.deepEqual(record, { topic: 'orders.big', key: '3', value: { total: 3, kind: 'big' } });
  assert.equal((await routeBy({ transform: 'data[paid = false]' })).kind, 'filtered');
  assert.match(await problemsBy({ transform: 'data.id + 1' }), /^data could not be transformed: /);
});

test('data that do not fit the schema are refused, or go to the topic of onInvalid as they came', async () => {
  const schema = { properties: { shard: { type: 'string' }, '\u0007': false } };
  assert.equal(await problemsBy({ schema }), '/shard must be string');
  const given = { ...event, data: { shard: 1, '\u0007': 1 } };
  const routed = await routeBy(
    { schema, transform: '1', key: 'subject', onInvalid: { topic: 'rejected' } },
    given,
  );
  assert.ok(routed.kind === 'record');
  assert.equal(routed.topic, 'rejected');
  assert.equal(routed.problems?.length, 2);
  const rejectedreason = '/shard must be string; /\ufffd boolean schema is false';
  assert.deepEqual(routed.record, { value: { ...given, rejectedreason }, key: 'customer-7' });
  assert.ok(parseCloudEvent(routed.record.value).ok, 'what lies in the topic is a CloudEvent');
});

test('everything that cannot be used is told at once, by its path in the file', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'routes-'));
  t.after(() => rm(dir, { recursive: true }));
  const file = join(dir, 'order.json');
  await writeFile(file, '{"type":"string"}');
  assert.equal(await problemsBy({ schema: file }), 'data must be string');
  await writeFile(file, '["no schema"]');
  const route = { topic: 'a', key: 'id' };
  const wrong = [
    { ...route, schema: { type: 'strin' }, transform: '(' },
    { ...route, schema: join(dir, 'missing.json') },
    { ...route, schema: file },
  ];
  await assert.rejects(prepareRouter(wrong), (error: Error) => {
    assert.match(error.message, /routes\.0\.schema: schema is invalid/);
    assert.match(error.message, /routes\.0\.transform: .*\(at character 1\)/);
    assert.match(error.message, /routes\.1\.schema: .*ENOENT.*missing\.json/);
    assert.match(error.message, /routes\.2\.schema: schema is invalid: data must be object/);
    return true;
  });
});

test('whatever the event, routing ends deliberately and the explanation agrees with it', async () => {
  const router = await prepareRouter([
    {
      name: 'raw',
      source: 's',
      filter: { not: { prefix: { '/a': 'x' } } },
      topic: 't.{/a}',
      key: '/b',
      value: 'raw',
    },
    {
      name: 'checked',
      filter: { exact: { type: 'c' } },
      topic: 'c',
      key: 'id',
      schema: { type: ['object', 'array'] },
    },
    {
      name: 'changed',
      filter: { any: [{ suffix: { type: 'd' } }] },
      topic: 'd',
      key: '/a',
      transform: '$.data.a',
    },
    { name: 'placed', filter: { prefix: { '/a': 'x' } }, topic: 'p', key: '/b/0', partition: '/a' },
    {
      name: 'kept',
      filter: { exact: { type: 'k' } },
      topic: '{/a}',
      key: 'x',
      onInvalid: { topic: 'rejected' },
    },
  ]);
  const data = fc.oneof(
    fc.jsonValue(),
    fc.record({ a: fc.jsonValue(), b: fc.jsonValue() }),
    fc.constant(undefined),
  );
  await fc.assert(
    fc.asyncProperty(
      data,
      fc.constantFrom('c', 'd', 'k', 'x'),
      fc.constantFrom('s', 'other', undefined),
      async (content, type, source) => {
        const { data: _, ...without } = { ...event, type };
        const given = content === undefined ? without : { ...without, data: content };
        const routed = await router.route(given, source);
        const fitting = router.explain(given, source).find(({ mismatch }) => mismatch === undefined);
        assert.equal(fitting?.route, 'route' in routed ? routed.route : undefined);
        if (routed.kind === 'record') {
          assert.match(routed.topic, topicName);
          assert.equal(typeof JSON.stringify(routed.record.value), 'string');
        }
        if (routed.kind === 'invalid') assert.ok(routed.problems.length > 0);
      },
    ),
  );
});
