import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isNestedDeeperThan, isRawNumber, parseJson, rawInteger, stringifyDeepJson } from './json.ts';

test('numbers that a double cannot hold come back as they were sent', () => {
  for (const literal of [
    '9007199254740993',
    '-9223372036854775808',
    '1e400',
    '0.12345678901234567890',
    '1E-400',
  ]) {
    assert.equal(JSON.stringify(parseJson(`{"n":[${literal}]}`)), `{"n":[${literal}]}`);
  }
});

test('ordinary numbers stay ordinary numbers', () => {
  assert.deepEqual(parseJson('{"a":1,"b":3.14,"c":1e3,"d":1234567890123456}'), {
    a: 1,
    b: 3.14,
    c: 1000,
    d: 1234567890123456,
  });
});

test('any JSON document survives a round trip', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      assert.deepEqual(JSON.parse(JSON.stringify(parseJson(text))), JSON.parse(text));
    }),
  );
});

test('an int64 is written as a JSON number', () => {
  const raw = rawInteger(9223372036854775807n);
  assert.ok(isRawNumber(raw));
  assert.equal(JSON.stringify({ offset: raw }), '{"offset":9223372036854775807}');
});

test('nesting is counted whatever its depth, and numbers kept as text are none', () => {
  const deep = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
  assert.equal(isNestedDeeperThan(deep(3), 3), false);
  assert.equal(isNestedDeeperThan(deep(4), 3), true);
  assert.equal(isNestedDeeperThan(deep(100_000), 99_999), true);
  assert.equal(isNestedDeeperThan(parseJson('{"a":[9007199254740993],"b":null}'), 2), false);
  assert.equal(isNestedDeeperThan(parseJson('{"b":0,"a":{"c":[]}}'), 2), true);
  assert.equal(isNestedDeeperThan('text', 0), false);
});

test('a value nested too deeply for the engine is written all the same, and any other as the engine writes it', () => {
  const deep = `${'{"a":['.repeat(50_000)}1${']}'.repeat(50_000)}`;
  assert.equal(stringifyDeepJson(JSON.parse(deep)), deep);
  fc.assert(
    fc.property(fc.jsonValue(), (value) => assert.equal(stringifyDeepJson(value), JSON.stringify(value))),
  );
  const exact = '{"id":9007199254740993,"b":[1e400]}';
  assert.equal(stringifyDeepJson(parseJson(exact)), exact);
});
