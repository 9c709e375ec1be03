import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { attributeOf, parseCloudEvent } from './cloud-event.ts';

const minimal = {
  specversion: '1.0',
  id: 'A234-1234-1234',
  source: '/mycontext',
  type: 'com.example.someevent',
};

function problemOf(changes: object): string | undefined {
  const parsed = parseCloudEvent({ ...minimal, ...changes });
  return parsed.ok ? undefined : `${parsed.problem.attribute} ${parsed.problem.message}`;
}

test('the example of the specification is accepted as it is', () => {
  const event = {
    ...minimal,
    source: 'https://github.com/cloudevents/spec/pull',
    subject: '123',
    time: '2018-04-05T17:31:00Z',
    comexampleextension1: 'value',
    comexampleothervalue: 5,
    datacontenttype: 'text/xml',
    data: '<much wow="xml"/>',
  };
  assert.deepEqual(parseCloudEvent(event), { ok: true, event });
});

test('each missing required attribute is named', () => {
  for (const name of ['specversion', 'id', 'source', 'type']) {
    assert.equal(problemOf({ [name]: undefined, extra: 1 })?.startsWith(`${name} `), true, name);
    assert.equal(problemOf({ [name]: null }), `${name} is required`);
    assert.equal(problemOf({ [name]: 7 }), `${name} must be a string`);
    assert.notEqual(problemOf({ [name]: '' }), undefined);
  }
});

test('attributes that break their type are refused with what would be right', () => {
  const cases: [object, RegExp][] = [
    [{ specversion: '9.9' }, /^specversion must be "1.0"/],
    [{ time: 'yesterday' }, /^time must be an RFC 3339/],
    [{ time: '2026-02-30T10:00:00Z' }, /^time/],
    [{ source: 'has a space' }, /^source must be a URI-reference/],
    [{ dataschema: '/relative' }, /^dataschema must be an absolute URI/],
    [{ datacontenttype: 'json' }, /^datacontenttype must be a media type/],
    [{ data_base64: '???' }, /^data_base64 must be Base64/],
    [{ data: 1, data_base64: 'AQ==' }, /^data_base64 must not stand beside data/],
    [{ Extension: 'x' }, /^Extension is no attribute name/],
    [{ nested: {} }, /^nested must be a string, a boolean or an integer/],
    [{ large: 2 ** 31 }, /^large must be a 32-bit integer/],
    [{ text: 'a\u0000b' }, /^text must not contain control characters/],
    [{ text: '\ud800' }, /^text must not contain lone surrogates/],
    [{ subject: '' }, /^subject must not be empty/],
  ];
  for (const [changes, expected] of cases) assert.match(problemOf(changes) ?? 'accepted', expected);
});

test('an attribute that is null counts as absent, data that is null does not', () => {
  const parsed = parseCloudEvent({ ...minimal, subject: null, data: null });
  assert.deepEqual(parsed, { ok: true, event: { ...minimal, data: null } });
});

test('names of Object.prototype are no attributes', () => {
  const parsed = parseCloudEvent(minimal);
  assert.ok(parsed.ok);
  assert.equal(attributeOf(parsed.event, 'constructor'), undefined);
  assert.equal(attributeOf(parsed.event, 'type'), 'com.example.someevent');
});

test('whatever arrives is accepted or refused, never thrown at', () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      assert.equal(typeof parseCloudEvent(value).ok, 'boolean');
    }),
  );
});
