import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPage } from './answers.ts';

const page = (body: string) => readPage({ status: 200, headers: {}, body }, 0n);
const record = (offset: string) =>
  `{"key":null,"value":"{\\"a\\":1.00000000000000000001}","partition":0,"offset":${offset},"timestamp":1769860800000}`;

test('offsets of a page are read exactly, on both sides of 2^53', () => {
  const { records, nextOffset } = page(
    `[${record('9007199254740991')},${record('9007199254740993')},${record('"9223372036854775806"')}]`,
  );
  assert.deepEqual(
    records.map(({ offset }) => offset),
    [9007199254740991n, 9007199254740993n, 9223372036854775806n],
  );
  assert.equal(nextOffset, 9223372036854775807n);
  assert.ok(records.every(({ value }) => value === '{"a":1.00000000000000000001}'));
});

test('a page with a record that is not of the contract is refused, and the error says why', () => {
  for (const offset of ['1.5', '1e400', '"7x"', 'null', '[7]', '{}']) {
    assert.throws(() => page(`{"records":[${record('6')},${record(offset)}]}`), {
      code: 'kafka-rest.unreadable',
      message: /must be an integer/,
    });
  }
  assert.throws(() => page('[{"offset":1}]'), { code: 'kafka-rest.unreadable' });
  assert.throws(() => page('no JSON'), { code: 'kafka-rest.unreadable' });
});
