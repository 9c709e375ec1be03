import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HTTP, CloudEvent as SdkEvent } from 'cloudevents';
import fc from 'fast-check';
import type { CloudEvent } from './cloud-event.ts';
import { type CloudEventsRead, readCloudEvents } from './http-binding.ts';

const limits = { eventsMax: 3, depthMax: 8, attributesBytesMax: 4_096 };
const structured = 'application/cloudevents+json';
const batch = 'application/cloudevents-batch+json';
const minimal = { specversion: '1.0', id: '1', source: '/s', type: 't' } as const;
const required = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' };

function bytesOf(body: string | Uint8Array): Uint8Array {
  return typeof body === 'string' ? new TextEncoder().encode(body) : body;
}

function read(headers: Record<string, string>, body: string | Uint8Array = '') {
  return readCloudEvents({ headers: new Headers(headers), body: bytesOf(body), limits });
}

/** The one event of a request that must be taken. */
function eventOf(result: CloudEventsRead | undefined): CloudEvent {
  assert.ok(result?.ok, JSON.stringify(result));
  assert.equal(result.events.length, 1);
  const [event] = result.events;
  assert.ok(event);
  return event;
}

/** The event as plain values, its numbers as a double has them. */
function plainEventOf(result: CloudEventsRead | undefined): unknown {
  return JSON.parse(JSON.stringify(eventOf(result)));
}

function refusalOf(result: CloudEventsRead | undefined): string {
  return result === undefined || result.ok ? 'accepted' : `${result.kind}: ${result.detail}`;
}

/** HTTP binding, section 3.1.3.2, "Steps to encode". */
function percentEncode(value: string): string {
  return Array.from(value, (character) =>
    /[\x21\x23\x24\x26-\x7e]/.test(character)
      ? character
      : Array.from(bytesOf(character), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(
          '',
        ),
  ).join('');
}

test('the scenarios of the conformance suite hold', () => {
  const attributes = {
    specversion: '1.0',
    type: 'com.example.someevent',
    time: '2018-04-05T03:56:24Z',
    id: '1234-1234-1234',
    source: '/mycontext/subcontext',
  };
  const data = { message: 'Hello World!' };
  for (const contentType of ['application/json', 'application/json; charset=utf-8']) {
    const headers = Object.fromEntries(
      Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]),
    );
    const result = read({ ...headers, 'content-type': contentType }, JSON.stringify(data));
    assert.deepEqual(eventOf(result), { ...attributes, datacontenttype: contentType, data });
  }
  const event = { ...attributes, datacontenttype: 'application/json', data };
  for (const contentType of [structured, `${structured}; charset=utf-8`, `${structured};charset="UTF-8"`]) {
    assert.deepEqual(eventOf(read({ 'content-type': contentType }, JSON.stringify(event))), event);
  }
});

test('header values are unquoted, then percent-decoded exactly once', () => {
  const cases: [string, string][] = [
    ['Euro%20%E2%82%AC%20%F0%9F%98%80', 'Euro € 😀'],
    ['%e2%82%ac', '€'],
    ['unn%65cess%61ry', 'unnecessary'],
    ['100%2525', '100%25'],
    ['two words', 'two words'],
    ['"quoted \\"value\\" \\\\ %25"', 'quoted "value" \\ %'],
    ['""', ''],
    ['%22kept%22', '"kept"'],
  ];
  for (const [raw, value] of cases) {
    assert.equal(eventOf(read({ ...required, 'ce-note': raw })).note, value, raw);
  }
});

test('header values that are no encoded UTF-8 are refused by the name of their header', () => {
  const cases: [string, RegExp][] = [
    ['%C0%A0', /ce-note is not percent-encoded UTF-8/],
    ['%ED%A0%80', /ce-note is not percent-encoded UTF-8/],
    ['%FF', /ce-note is not percent-encoded UTF-8/],
    ['100%', /ce-note is not percent-encoded UTF-8.*%25/],
    ['%zz', /ce-note is not percent-encoded UTF-8/],
    ['caf\u00e9', /ce-note holds other characters than printable ASCII/],
    ['a"b', /ce-note holds a double quote: write it as %22/],
    ['"open', /ce-note holds a double quote/],
    ['a%00b', /ce-note must not contain control characters/],
  ];
  for (const [raw, expected] of cases) {
    assert.match(refusalOf(read({ ...required, 'ce-note': raw })), expected, raw);
  }
});

test('what breaks a rule of binary mode is named by its header', () => {
  const cases: [Record<string, string>, RegExp][] = [
    [{ 'ce-specversion': '0.3' }, /^invalid-event: ce-specversion must be "1.0"/],
    [{ 'ce-specversion': '' }, /^invalid-event: ce-specversion must be "1.0"/],
    [{ 'ce-type': '' }, /^invalid-event: ce-type must not be empty/],
    [{ 'ce-time': 'now' }, /^invalid-event: ce-time must be an RFC 3339/],
    [{ 'ce-datacontenttype': 'text/plain' }, /^invalid-event: ce-datacontenttype must not be sent/],
    [{ 'ce-data': 'x' }, /^invalid-event: ce-data must not be sent/],
    [{ 'ce-data_base64': 'eA==' }, /^invalid-event: ce-data_base64 must not be sent/],
    [{ 'ce-my-extension': 'x' }, /^invalid-event: ce-my-extension is no attribute name/],
    [{ 'ce-__proto__': 'x' }, /^invalid-event: ce-__proto__ is no attribute name/],
    [{ 'ce-': 'x' }, /^invalid-event: ce- is no attribute name/],
    [{ 'content-type': 'nonsense' }, /^invalid-event: content-type must be a media type/],
    [{ 'ce-long': 'x'.repeat(4_096) }, /^attributes-too-large: .*4096 bytes/],
  ];
  for (const [headers, expected] of cases)
    assert.match(refusalOf(read({ ...required, ...headers })), expected);
  for (const name of ['ce-id', 'ce-source', 'ce-type']) {
    const { [name]: _, ...others } = required as Record<string, string>;
    assert.equal(refusalOf(read(others)), `invalid-event: ${name} is required`);
  }
});

test('extension attributes of binary mode are strings, whatever they look like', () => {
  const event = eventOf(read({ ...required, 'CE-Sequence': '007', 'ce-flag': 'true' }));
  assert.deepEqual(event, { ...minimal, sequence: '007', flag: 'true' });
});

test('in binary mode the content type says in which member the body goes, nothing of it changed', () => {
  const latin1 = new Uint8Array([0x63, 0x61, 0x66, 0xe9]);
  const cases: [string | undefined, string | Uint8Array, object][] = [
    ['application/json', '{"n":9007199254740993}', { n: 1 }],
    ['application/json', '', {}],
    ['application/json', 'null', { data: null }],
    ['application/vnd.api+json', '"text"', { data: 'text' }],
    ['APPLICATION/JSON', '[1]', { data: [1] }],
    ['text/plain', 'caf\u00e9', { data: 'caf\u00e9' }],
    ['text/plain', '\ufefftext', { data: '\ufefftext' }],
    ['text/xml; charset=utf-8', '<a/>', { data: '<a/>' }],
    ['text/plain; charset=iso-8859-1', latin1, { data_base64: 'Y2Fm6Q==' }],
    ['text/plain', latin1, { data_base64: 'Y2Fm6Q==' }],
    ['application/octet-stream', new Uint8Array([0, 255]), { data_base64: 'AP8=' }],
    ['application/jsonx', '{}', { data_base64: 'e30=' }],
    [undefined, '{ "xyz": 123 }', { data_base64: 'eyAieHl6IjogMTIzIH0=' }],
  ];
  for (const [contentType, body, expected] of cases) {
    const type = contentType === undefined ? {} : { 'content-type': contentType };
    const { data, data_base64, ...attributes } = eventOf(read({ ...required, ...type }, body));
    assert.deepEqual(attributes, {
      ...minimal,
      ...(contentType !== undefined && { datacontenttype: contentType }),
    });
    if ('n' in expected) assert.equal(JSON.stringify(data), body);
    else {
      const members = { ...(data !== undefined && { data }), ...(data_base64 && { data_base64 }) };
      assert.deepEqual(members, expected, contentType);
    }
  }
});

test('JSON that cannot be read is refused in every mode', () => {
  const notUtf8 = new Uint8Array([0x22, 0xff, 0x22]);
  for (const headers of [
    { ...required, 'content-type': 'application/json' },
    { 'content-type': structured },
    { 'content-type': batch },
  ]) {
    assert.match(refusalOf(read(headers, '{"a":')), /^malformed-body: the body is not JSON/);
    assert.match(refusalOf(read(headers, notUtf8)), /^malformed-body: the body is not UTF-8/);
  }
  assert.match(refusalOf(read({ 'content-type': structured })), /^malformed-body/);
  assert.match(refusalOf(read({ 'content-type': batch }, '{}')), /^malformed-body: .*JSON array/);
});

test('formats and charsets other than JSON in UTF-8 are unsupported', () => {
  for (const contentType of [
    'application/cloudevents',
    'application/cloudevents+avro',
    'application/cloudevents+protobuf',
    'application/cloudevents+xml',
    'application/cloudevents-batch+avro',
    'Application/CloudEvents+XML; charset=utf-8',
    `${structured}; charset=utf-16`,
    `${batch}; charset=iso-8859-1`,
  ]) {
    assert.match(refusalOf(read({ ...required, 'content-type': contentType }, '{}')), /^unsupported-format/);
  }
  const binary = { ...required, 'content-type': 'application/json; charset=utf-16' };
  assert.match(refusalOf(read(binary, '{}')), /^unsupported-format: charset utf-16/);
});

test('in structured mode the headers do not count', () => {
  const event = eventOf(
    read({ ...required, 'ce-id': 'other', 'content-type': structured }, JSON.stringify(minimal)),
  );
  assert.equal(event.id, '1');
});

test('a request with neither a CloudEvents type nor ce-specversion is no CloudEvent', () => {
  assert.equal(read({ 'content-type': 'application/json', 'ce-id': '1' }, '{}'), undefined);
  assert.equal(read({}), undefined);
});

test('a batch is taken whole, may be empty, and names the event that is wrong', () => {
  const headers = { 'content-type': `${batch}; charset=utf-8` };
  const events = [minimal, { ...minimal, id: '2', data: [1] }];
  assert.deepEqual(read(headers, JSON.stringify(events)), { ok: true, mode: 'batch', events });
  assert.deepEqual(read(headers, '[]'), { ok: true, mode: 'batch', events: [] });
  assert.equal(
    refusalOf(read(headers, JSON.stringify([minimal, { ...minimal, id: '' }]))),
    'invalid-event: events[1]: id must not be empty',
  );
  assert.match(refusalOf(read(headers, '[[]]')), /events\[0\]: \(event\) must be a JSON object/);
  assert.ok(read(headers, JSON.stringify([minimal, minimal, minimal]))?.ok, 'as many as the limit');
  assert.match(
    refusalOf(read(headers, JSON.stringify(Array.from({ length: 4 }, () => minimal)))),
    /^too-many-events: 4 events; at most 3/,
  );
});

test('nesting is limited before anything is parsed, and brackets in strings do not count', () => {
  const headers = { ...required, 'content-type': 'application/json' };
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  assert.ok(read(headers, nested(8))?.ok);
  assert.match(refusalOf(read(headers, nested(9))), /^too-deep: .*more than 8 deep/);
  assert.ok(read(headers, JSON.stringify(`\\"${'{['.repeat(50)}\\`))?.ok);
  assert.ok(read(headers, `[${'[],{},'.repeat(50)}1]`)?.ok);
  for (const endless of ['[', '{"a":', '"a"[', '[{"":']) {
    for (const type of ['application/json', structured, batch]) {
      const result = read({ ...required, 'content-type': type }, endless.repeat(1_000_000 / endless.length));
      assert.match(refusalOf(result), /^too-deep/);
    }
  }
});

const attributeText = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => !/[\p{Cc}]/u.test(text) && text.isWellFormed());
const validEvents: fc.Arbitrary<CloudEvent> = fc
  .record(
    {
      id: attributeText,
      source: fc.webPath().map((path) => `/${path}`),
      type: attributeText,
      subject: attributeText,
      time: fc
        .date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') })
        .map((date) => date.toISOString()),
      dataschema: fc.webUrl(),
      comexample1: attributeText,
      data: fc.jsonValue({ maxDepth: 4 }),
    },
    { requiredKeys: ['id', 'source', 'type'] },
  )
  .map((event) => ({
    specversion: '1.0',
    ...event,
    ...('data' in event && { datacontenttype: 'application/json' }),
  }));

test('every valid event is read back as it was sent, in each mode', () => {
  fc.assert(
    fc.property(validEvents, (event) => {
      const json = JSON.stringify(event);
      const sent = JSON.parse(json);
      assert.deepEqual(plainEventOf(read({ 'content-type': structured }, json)), sent);
      assert.deepEqual(plainEventOf(read({ 'content-type': batch }, `[${json}]`)), sent);
      const { data, datacontenttype, ...attributes } = event;
      const headers: Record<string, string> = {};
      for (const [name, value] of Object.entries(attributes))
        headers[`ce-${name}`] = percentEncode(String(value));
      if (datacontenttype !== undefined) headers['content-type'] = datacontenttype;
      assert.deepEqual(plainEventOf(read(headers, data === undefined ? '' : JSON.stringify(data))), sent);
    }),
  );
});

test('what the CloudEvents SDK sends for a valid event is read back equal', () => {
  // The SDK does not percent-encode, so its header values are kept to what needs no encoding.
  const plain = fc.stringMatching(/^[A-Za-z0-9._~:/-]{1,20}$/);
  const events = fc.record(
    {
      id: plain,
      source: plain,
      type: plain,
      subject: plain,
      time: fc.constant('2026-11-22T10:00:00.000Z'),
      comexample1: plain,
    },
    { requiredKeys: ['id', 'source', 'type', 'time'] },
  );
  fc.assert(
    fc.property(events, fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (attributes, data) => {
      const event = { specversion: '1.0', ...attributes, datacontenttype: 'application/json', data };
      const sdkEvent = new SdkEvent(event);
      for (const message of [HTTP.binary(sdkEvent), HTTP.structured(sdkEvent)]) {
        const headers = Object.fromEntries(
          Object.entries(message.headers).map(([name, value]) => [name, String(value)]),
        );
        const expected = JSON.parse(JSON.stringify(event));
        assert.deepEqual(plainEventOf(read(headers, String(message.body))), expected);
      }
    }),
  );
});

test('whatever headers and bytes arrive are taken or refused, never thrown at', () => {
  const headerValue = fc.string({ unit: 'binary-ascii' }).map((text) => text.replace(/[\0\r\n]/g, ''));
  const contentTypes = fc.oneof(
    fc.constantFrom(structured, batch, 'application/json', 'text/plain', 'application/cloudevents+x'),
    headerValue,
  );
  const names = fc.constantFrom('ce-id', 'ce-time', 'ce-x', 'ce-x-y', 'ce-data', 'ce-specversion');
  const bodies = fc.oneof(
    fc.uint8Array(),
    fc.jsonValue().map((value) => bytesOf(JSON.stringify(value))),
    fc.jsonValue().map((value) => bytesOf(JSON.stringify([{ ...minimal, data: value }, value]))),
  );
  fc.assert(
    fc.property(contentTypes, fc.dictionary(names, headerValue), bodies, (type, headers, body) => {
      const result = read({ ...required, ...headers, 'content-type': type }, body);
      assert.equal(typeof result?.ok, 'boolean');
      if (result?.ok) for (const event of result.events) assert.equal(event.specversion, '1.0');
    }),
  );
});
