import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJson } from '../shared/json.ts';
import { compileSchema } from './json-schema.ts';

const order = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  required: ['id'],
  properties: {
    id: { type: 'integer' },
    state: { enum: ['open', 'closed'] },
    lines: { type: 'array', items: { type: 'object', properties: { qty: { minimum: 1 } } } },
    at: { type: 'string', format: 'date-time' },
  },
  additionalProperties: false,
};

test('data that fit have no problem, and data that do not have one for each place', async () => {
  const check = await compileSchema(order);
  assert.equal(check({ id: 1, state: 'open', lines: [{ qty: 1 }], at: 'whenever' }), undefined);
  assert.deepEqual(check({ state: 'lost', lines: [{ qty: 1 }, { qty: 0 }], extra: 1 }), [
    { path: 'data', message: "must have required property 'id'" },
    { path: 'data', message: 'must NOT have additional properties: "extra"' },
    { path: '/state', message: 'must be equal to one of the allowed values: ["open","closed"]' },
    { path: '/lines/1/qty', message: 'must be >= 1' },
  ]);
  assert.deepEqual(check([]), [{ path: 'data', message: 'must be object' }]);
  assert.deepEqual(check(undefined), [{ path: 'data', message: 'is missing, but must fit a JSON Schema' }]);
});

test('a number that a double cannot hold is a number', async () => {
  const check = await compileSchema(order);
  assert.equal(check(parseJson('{"id":9007199254740993}')), undefined);
  assert.equal(check(parseJson('{"id":0.12345678901234567890}'))?.[0]?.message, 'must be integer');
});

test('the problems told are few and short, however many there are', async () => {
  const check = await compileSchema({ type: 'array', items: { type: 'string' } });
  assert.equal(check(Array.from({ length: 100 }, () => 0))?.length, 10);
  assert.equal(check(Array.from({ length: 200_000 }, () => 0))?.length, 1);
  const long = await compileSchema({ additionalProperties: false });
  assert.ok((long({ ['x'.repeat(10_000)]: 1 })?.[0]?.message.length ?? 0) < 120);
});

test('a schema need not give the types that its keywords are for', async () => {
  const check = await compileSchema({
    required: ['id'],
    properties: { list: { prefixItems: [{ type: 'string' }] } },
  });
  assert.equal(check({ id: 1, list: ['a', 2] }), undefined);
});

test('a schema that cannot be compiled is refused, and no other document is fetched', async () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ type: 'strin' }, /schema is invalid/],
    [{ requried: ['id'] }, /unknown keyword: "requried"/],
    [{ $ref: 'https://example.com/order.json' }, /can't resolve reference https:\/\/example\.com/],
    [{ pattern: '(' }, /Invalid regular expression/],
    [{ $schema: 'http://json-schema.org/draft-07/schema#' }, /no schema with key or ref/],
  ];
  for (const [schema, expected] of cases) await assert.rejects(compileSchema(schema), expected);
});
