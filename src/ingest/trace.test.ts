import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloudEvent } from '../events/cloud-event.ts';
import { withTrace } from './trace.ts';

const event: CloudEvent = { specversion: '1.0', id: 'e1', source: '/shop', type: 'order' };
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

const trace = (headers: Record<string, string>, given: CloudEvent = event) =>
  withTrace([given], (name) => headers[name])[0];

test('an event without a trace starts in that of its request', () => {
  assert.deepEqual(trace({ traceparent, tracestate: 'a=1,b=2' }), {
    ...event,
    traceparent,
    tracestate: 'a=1,b=2',
  });
  assert.deepEqual(trace({}), event);
});

test('an event that has a trace is left as it is, with no state of another one', () => {
  const older = { ...event, traceparent: traceparent.replace('0af', '1af') };
  assert.deepEqual(trace({ traceparent, tracestate: 'a=1' }, older), older);
});

test('what is no trace context is not taken into an event', () => {
  const wrong = [
    '',
    'none',
    traceparent.toUpperCase(),
    traceparent.replace(/^00/, 'ff'),
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`,
    `${traceparent}-more`,
  ];
  for (const value of wrong) assert.deepEqual(trace({ traceparent: value, tracestate: 'a=1' }), event, value);
  for (const tracestate of ['', 'a=\u00e9', 'a=\u0085', 'a'.repeat(513)]) {
    assert.deepEqual(trace({ traceparent, tracestate }), { ...event, traceparent });
  }
});
