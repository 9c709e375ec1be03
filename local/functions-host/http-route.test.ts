import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileRoute, splitPath } from './http-route.ts';

const match = (template: string, path: string) => compileRoute(template)(splitPath(path));

test('literals match without regard to case, and a slash at the end counts for nothing', () => {
  assert.deepEqual(match('api/Orders', '/API/orders'), {});
  assert.deepEqual(match('api/orders', '/api/orders/'), {});
  assert.equal(match('api/orders', '/api/orders/1'), undefined);
  assert.equal(match('api/orders', '/api'), undefined);
});

test('parameters are decoded, except for an encoded slash', () => {
  assert.deepEqual(match('api/{name}', '/api/a%20b%2Fc'), { name: 'a b%2Fc' });
  assert.deepEqual(match('api/{name}', '/api/100%'), { name: '100%' });
  assert.equal(match('api/{name}', '/api//'), undefined);
});

test('an optional parameter may be missing', () => {
  assert.deepEqual(match('api/{name?}', '/api'), {});
  assert.deepEqual(match('api/{name?}', '/api/x'), { name: 'x' });
  assert.equal(match('api/{name?}', '/api/x/y'), undefined);
});

test('a catch-all takes the rest of the path, or nothing', () => {
  assert.deepEqual(match('files/{*path}', '/files/a/b%20c'), { path: 'a/b c' });
  assert.deepEqual(match('files/{*path}', '/files'), {});
});

test('constraints decide whether a route matches', () => {
  assert.deepEqual(match('{id:int}', '/-12'), { id: '-12' });
  assert.equal(match('{id:int}', '/12a'), undefined);
  assert.equal(match('{id:int}', '/99999999999'), undefined);
  assert.equal(match('{a:alpha}', '/a1'), undefined);
  assert.deepEqual(match('{a:regex(^admin$)}/status', '/Admin/status'), { a: 'Admin' });
  assert.equal(match('{a:regex(^admin$)}/status', '/admins/status'), undefined);
  assert.deepEqual(match('{a:alpha:length(2,3)}', '/abc'), { a: 'abc' });
  assert.equal(match('{a:alpha:length(2,3)}', '/abcd'), undefined);
  assert.deepEqual(match('{id:guid}', '/9b2c7d0e-0000-4000-8000-000000000000'), {
    id: '9b2c7d0e-0000-4000-8000-000000000000',
  });
  assert.equal(match('{n:range(1,5)}', '/6'), undefined);
  assert.deepEqual(match('{n:min(3)?}', '/'), {});
});

for (const [template, message] of [
  ['/orders', /must not begin with "\/"/],
  ['{id:even}', /constraint "even" is not known; there are int, /],
  ['{id:regex([)}', /"\[" is no regular expression/],
  ['{id:min}', /constraint "min" is not known/],
  ['{id:int(5)}', /constraint "int\(5\)" is not known/],
  ['{*rest}/x', /catch-all parameter must be the last/],
  ['{a?}/{b}', /optional parameter must be at the end/],
  ['{a}/{A}', /occurs twice/],
  ['{a}.{b}', /is not supported: a segment is text/],
] as const) {
  test(`template ${template} is refused`, () => {
    assert.throws(() => compileRoute(template), message);
  });
}
