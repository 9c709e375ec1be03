import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isRawNumber, parseJson, rawInteger } from './json.ts';

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
