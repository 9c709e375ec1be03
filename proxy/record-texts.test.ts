import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findRecordTexts } from './record-texts.ts';

test('the texts found are those that were sent, whatever the values and the white space', () => {
  const record = fc.record({ key: fc.jsonValue(), value: fc.jsonValue(), other: fc.jsonValue() });
  fc.assert(
    fc.property(fc.array(record), fc.jsonValue(), fc.nat(4), (records, other, indent) => {
      const texts = findRecordTexts(JSON.stringify({ before: other, records, after: other }, null, indent));
      const parsed = texts.map(({ key, value }) => [JSON.parse(key ?? ''), JSON.parse(value ?? '')]);
      const sent = records.map(({ key, value }) => JSON.parse(JSON.stringify([key, value])));
      assert.deepEqual(parsed, sent);
    }),
  );
});

test('numbers keep every digit', () => {
  const text = '{"records":[{"value": 9007199254740993 },{"value":[1e400,-0,1.0]},{"value":3.14}]}';
  const values = findRecordTexts(text).map(({ value }) => value);
  assert.deepEqual(values, ['9007199254740993', '[1e400,-0,1.0]', '3.14']);
});

test('braces, quotes and backslashes inside strings do not end a value', () => {
  const value = String.raw`{"a\\":"}]\"","b":["\\\\"]}`;
  assert.deepEqual(findRecordTexts(`{"records":[{"value":${value},"key":"\\""}]}`), [
    { value, key: String.raw`"\""` },
  ]);
});

test('a member counts by its meaning, and of two of the same name the last, as for any JSON reader', () => {
  const text = String.raw`{"records":7,"records":[{"value":0}],"records":[{"value":1,"v\u0061lue":2,"key":3}],"other":[]}`;
  assert.deepEqual(findRecordTexts(text), [{ value: '2', key: '3' }]);
});
