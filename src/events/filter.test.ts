import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloudEvent } from './cloud-event.ts';
import { type EventFilter, matches } from './filter.ts';

const event: CloudEvent = {
  specversion: '1.0',
  id: '1',
  source: '/shop/orders',
  type: 'com.example.order.created',
  subject: 'order-7',
};

test('each dialect selects as the specification says', () => {
  const cases: [EventFilter, boolean][] = [
    [{ exact: { type: 'com.example.order.created' } }, true],
    [{ exact: { type: 'com.example.order.created', subject: 'order-8' } }, false],
    [{ prefix: { type: 'com.example.' } }, true],
    [{ prefix: { source: '/other' } }, false],
    [{ suffix: { type: '.created' } }, true],
    [{ suffix: { type: '.deleted' } }, false],
    [{ all: [{ prefix: { type: 'com.' } }, { suffix: { subject: '7' } }] }, true],
    [{ all: [{ prefix: { type: 'com.' } }, { suffix: { subject: '8' } }] }, false],
    [{ any: [{ exact: { subject: 'x' } }, { exact: { subject: 'order-7' } }] }, true],
    [{ not: { exact: { subject: 'order-7' } } }, false],
    [{ exact: { tenant: 'a' } }, false],
    [{ not: { exact: { tenant: 'a' } } }, true],
  ];
  for (const [filter, expected] of cases) {
    assert.equal(matches(filter, event), expected, JSON.stringify(filter));
  }
});
