import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCloudEvent } from '../../../src/events/cloud-event.ts';
import { createEventMessage } from './event-message.ts';

test('the event that is sent is a CloudEvent of 1,024 bytes that carries its number', () => {
  const message = createEventMessage(new URL('http://127.0.0.1:7071/api/events/bench'));
  message.setId(999);
  message.setId(42);
  const [head = '', body = ''] = message.bytes.toString().split('\r\n\r\n');
  assert.match(head, /^POST \/api\/events\/bench HTTP\/1\.1\r\n/);
  assert.match(head, /\r\ncontent-length: 1024$/);
  assert.equal(Buffer.byteLength(body), 1024);
  const parsed = parseCloudEvent(JSON.parse(body));
  assert.ok(parsed.ok);
  assert.equal(parsed.event.id, '000000000042');
});
