import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CloudEvent } from './cloud-event.ts';
import { compileUrl, urlTemplateProblem } from './url-template.ts';

const event = (data: unknown, type = 'order.created'): CloudEvent => ({
  specversion: '1.0',
  id: '1',
  source: '/shop',
  type,
  data,
});

test('values of the event stand in path and query, percent-encoded', () => {
  const url = compileUrl('https://hooks.example.com/{type}/v1?customer={/customer}&n={/n}');
  const rendered = url(event({ customer: 'a&b=c/ü', n: 7 }));
  assert.equal(rendered, 'https://hooks.example.com/order.created/v1?customer=a%26b%3Dc%2F%C3%BC&n=7');
});

test('a value that is missing, empty or half a character makes no URL', () => {
  const url = compileUrl('https://hooks.example.com/{/tenant}');
  assert.deepEqual(url(event({})), { path: '/tenant', message: 'is missing, but the URL needs it' });
  for (const tenant of ['', '\ud800']) assert.equal(typeof url(event({ tenant })), 'object');
});

test('no value leads to another path, in whatever spelling', () => {
  for (const [template, tenant] of [
    ['https://h.example/a/{/tenant}', '..'],
    ['https://h.example/a/{/tenant}/b', '.'],
    ['https://h.example/a/.{/tenant}', '.'],
    ['https://h.example/a/%2e{/tenant}', '.'],
  ] as const) {
    assert.deepEqual(compileUrl(template)(event({ tenant })), {
      path: '/tenant',
      message: 'would make a segment "." or ".." of the URL',
    });
  }
});

test('a value that would make a longer URL than servers take makes none', () => {
  const url = compileUrl('https://h.example/{/x}');
  assert.equal(typeof url(event({ x: 'a'.repeat(7_000) })), 'string');
  const problem = url(event({ x: 'ü'.repeat(7_000) }));
  assert.match(typeof problem === 'string' ? '' : problem.message, /URL of 42018 characters; at most 8000/);
});

test('no value whatever changes the host, or adds a segment or a parameter', () => {
  const url = compileUrl('https://h.example/a/{/x}/b?q={/x}');
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (x) => {
      const rendered = url(event({ x }));
      if (typeof rendered !== 'string') return;
      const { host, pathname, searchParams, hash } = new URL(rendered);
      assert.deepEqual([host, pathname.split('/').length, hash], ['h.example', 4, '']);
      assert.deepEqual([...searchParams], [['q', x]]);
    }),
  );
});

test('values in the host, braces that mean nothing and fragments are refused', () => {
  assert.equal(urlTemplateProblem('https://h.example/{type}?a={/b}'), undefined);
  for (const [text, problem] of [
    ['https://{type}.example/', /fixed host/],
    ['https://h.example{type}', /fixed host/],
    ['https:/{type}/', /fixed host/],
    ['https:\\\\{type}/', /fixed host/],
    ['https://h.example/{Type}', /attribute name/],
    ['https://h.example/{type', /brace/],
    ['https://h.example/#{type}', /fragment/],
    ['https://user:word@h.example/{type}', /user name or password/],
  ] as const) {
    assert.match(urlTemplateProblem(text) ?? '', problem, text);
  }
});
