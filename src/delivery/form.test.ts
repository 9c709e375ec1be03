import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CloudEvent, HTTP } from 'cloudevents';
import fc from 'fast-check';
import { eventRecord } from '../../test/support/receiver.ts';
import type { TopicRecord } from '../events/record.ts';
import { createWriter, type Form } from './form.ts';
import { eventOf } from './record-event.ts';

const limits = { recordsMax: 10, bytesMax: 1_000, lingerMs: 0 };
const batch: Form = { kind: 'batch', ...limits };
const array: Form = { kind: 'array', ...limits };

/** Writes records of these values into one request. */
function write(form: Form, ...values: (string | null)[]) {
  const writer = createWriter(form);
  const written = values.map((value) => {
    const record: TopicRecord = { ...eventRecord, value };
    const read = writer.needs === 'record' ? undefined : eventOf(record);
    return writer.write({ record, read, transformed: false });
  });
  const body = writer.join(written.map((each) => each.body));
  return { headers: { ...written[0]?.headers }, body };
}

function eventText(members: object): string {
  return JSON.stringify({ specversion: '1.0', id: 'e1', source: '/shop', type: 't', ...members });
}

/** What the CloudEvents SDK reads of a request. */
function readBySdk({ headers, body }: ReturnType<typeof write>) {
  return HTTP.toEvent({ headers, body: typeof body === 'string' ? body : Buffer.from(body) });
}

function readOne(request: ReturnType<typeof write>): CloudEvent<unknown> {
  const read = readBySdk(request);
  assert.ok(!Array.isArray(read));
  return read as CloudEvent<unknown>;
}

test('structured: a CloudEvent travels as it stands in the record, and its receiver reads it', () => {
  const request = write('structured', eventRecord.value);
  assert.equal(request.body, eventRecord.value);
  assert.equal(request.headers['content-type'], 'application/cloudevents+json; charset=utf-8');
  assert.equal(readOne(request).id, 'e1');
});

test('binary: attributes stand in headers and the data are the body', () => {
  const request = write(
    'binary',
    eventText({
      subject: 'a/b',
      time: '2026-01-31T12:00:00Z',
      dataschema: 'https://s.example/1',
      n: 7,
      yes: true,
      data: { a: 1 },
    }),
  );
  assert.deepEqual(request, {
    headers: {
      'ce-specversion': '1.0',
      'ce-id': 'e1',
      'ce-source': '/shop',
      'ce-type': 't',
      'ce-subject': 'a/b',
      'ce-time': '2026-01-31T12:00:00Z',
      'ce-dataschema': 'https://s.example/1',
      'ce-n': '7',
      'ce-yes': 'true',
      'content-type': 'application/json',
    },
    body: '{"a":1}',
  });
  const read = readOne(request);
  assert.deepEqual([read.id, read.subject, read.data], ['e1', 'a/b', { a: 1 }]);
});

test('binary: the example of the HTTP binding is encoded as there', () => {
  // bindings/http-protocol-binding.md, section 3.1.3.2.
  const request = write('binary', eventText({ subject: 'Euro € 😀', example: '"100%"' }));
  assert.equal(request.headers['ce-subject'], 'Euro%20%E2%82%AC%20%F0%9F%98%80');
  assert.equal(request.headers['ce-example'], '%22100%25%22');
});

test('binary: whatever an attribute holds arrives unchanged, and every header is printable', () => {
  const attribute = fc
    .string({ unit: 'binary', minLength: 1 })
    .filter((text) => text.isWellFormed() && !/\p{Cc}/u.test(text));
  fc.assert(
    fc.property(attribute, (subject) => {
      const { headers } = write('binary', eventText({ subject }));
      assert.match(headers['ce-subject'] ?? '', /^[\x21-\x7e]+$/);
      assert.equal(decodeURIComponent(headers['ce-subject'] ?? ''), subject);
    }),
  );
});

test('binary: text stays text, bytes become bytes, numbers keep their digits, no data is no body', () => {
  const text = write('binary', eventText({ datacontenttype: 'text/plain', data: 'a "b"' }));
  assert.deepEqual([text.body, text.headers['content-type']], ['a "b"', 'text/plain']);
  const bytes = write('binary', eventText({ datacontenttype: 'image/png', data_base64: '/wA=' }));
  assert.deepEqual([bytes.body, bytes.headers['content-type']], [Buffer.from([255, 0]), 'image/png']);
  assert.equal(write('binary', eventRecord.value).body, '{"total":9007199254740993}');
  const none = write('binary', eventText({}));
  assert.deepEqual([none.body, none.headers['content-type']], ['', undefined]);
  assert.equal(write('binary', eventText({ datacontenttype: 'application/x+json', data: 'a' })).body, '"a"');
});

test('binary: a record that holds no event keeps its value as it stands', () => {
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  assert.equal(write('binary', deep).body, deep);
  assert.equal(readOne(write('binary', '{"a": 1.0}')).type, 'kafka.record');
});

test('what can never be written is said to be so', () => {
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  const event = eventText({ data: 0 }).replace('"data":0', `"data":${deep}`);
  assert.throws(() => write('binary', event), { code: 'delivery.unwritable', message: /written as JSON/ });
  assert.throws(() => write('binary', eventText({ datacontenttype: 'text/plain;a="ü"', data: 'x' })), {
    code: 'delivery.unwritable',
    message: /datacontenttype must be printable ASCII/,
  });
});

test('batch: several events travel as one CloudEvents batch, each as it stands', () => {
  const request = write(batch, eventRecord.value, '{"plain": 1}');
  assert.equal(request.headers['content-type'], 'application/cloudevents-batch+json; charset=utf-8');
  assert.ok(request.body.toString().includes(eventRecord.value ?? ''));
  const read = readBySdk(request);
  assert.ok(Array.isArray(read));
  assert.deepEqual(
    read.map(({ type }) => type),
    ['order.created', 'kafka.record'],
  );
});

test('raw: the value of the record as it stands, JSON or not; a tombstone is empty', () => {
  assert.deepEqual(write('raw', '{ "a":1 }'), {
    headers: { 'content-type': 'application/json' },
    body: '{ "a":1 }',
  });
  assert.deepEqual(write('raw', 'not { json'), {
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: 'not { json',
  });
  assert.deepEqual(write('raw', null), { headers: {}, body: '' });
});

test('array: raw values as a JSON array, with numbers untouched', () => {
  const { headers, body } = write(array, '{"a": 9007199254740993}', 'not { json', null, '"text"');
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(body, '[{"a": 9007199254740993},"not { json",null,"text"]');
  assert.equal(write(array, '1').body, '[1]', 'one alone is an array too');
});
