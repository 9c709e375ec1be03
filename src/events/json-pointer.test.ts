import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson } from '../shared/json.ts';
import { parsePointer, valueAt } from './json-pointer.ts';

function at(document: unknown, pointer: string): unknown {
  const tokens = parsePointer(pointer);
  assert.ok(tokens, `${pointer} is a pointer`);
  return valueAt(document, tokens);
}

test('the examples of RFC 6901, section 5, evaluate as it says', () => {
  const document = {
    foo: ['bar', 'baz'],
    '': 0,
    'a/b': 1,
    'c%d': 2,
    'e^f': 3,
    'g|h': 4,
    'i\\j': 5,
    'k"l': 6,
    ' ': 7,
    'm~n': 8,
  };
  const cases: [string, unknown][] = [
    ['', document],
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/', 0],
    ['/a~1b', 1],
    ['/c%d', 2],
    ['/e^f', 3],
    ['/g|h', 4],
    ['/i\\j', 5],
    ['/k"l', 6],
    ['/ ', 7],
    ['/m~0n', 8],
  ];
  for (const [pointer, expected] of cases) assert.deepEqual(at(document, pointer), expected, pointer);
  assert.equal(at({ '~1': 'x', '/': 'y' }, '/~01'), 'x');
});

test('a pointer finds only what the JSON text holds', () => {
  const document = parseJson('{"list":["a"],"n":9007199254740993,"s":"text","z":null}');
  for (const pointer of [
    '/list/length',
    '/list/1',
    '/list/00',
    '/list/-',
    '/list/ 0',
    '/list/1e0',
    '/toString',
    '/__proto__',
    '/constructor/name',
    '/n/rawJSON',
    '/s/0',
    '/s/length',
    '/z/x',
  ]) {
    assert.equal(at(document, pointer), undefined, pointer);
  }
  assert.equal(JSON.stringify(at(document, '/n')), '9007199254740993');
  assert.equal(at(document, '/z'), null);
});

test('what is no pointer is recognised', () => {
  for (const text of ['a', '/~', '/~2', '/a/~', '#/a']) assert.equal(parsePointer(text), undefined, text);
});

test('every member of any JSON value is found by its path', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (document) => {
      const visit = (value: unknown, pointer: string): void => {
        assert.equal(at(document, pointer), value);
        if (typeof value !== 'object' || value === null) return;
        for (const [name, inner] of Object.entries(value)) {
          visit(inner, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
        }
      };
      visit(document, '');
    }),
  );
});
