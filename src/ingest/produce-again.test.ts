import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeadLetter } from '../events/dead-letter.ts';
import type { OutgoingRecord, WriteOutcome } from './ports.ts';
import { produceAgain } from './produce-again.ts';
import { prepareRouter } from './route.ts';

const router = await prepareRouter([
  { source: 'eventgrid', topic: 'storage', key: 'subject' },
  { filter: { exact: { type: 'order.placed' } }, topic: 'orders', key: 'subject' },
]);
const letter: DeadLetter = {
  origin: 'outbox:orders',
  id: '1',
  topic: 'orders',
  reason: { code: 'kafka-rest.bad-request', message: 'too large' },
  payload: '{"value":{"n":12345678901234567890},"key":"k","partition":1}',
  atMs: 1,
};
const { topic: _, ...unrouted } = letter;
const event = { specversion: '1.0', id: '1', source: '/s', type: 'order.placed', subject: 'c-1' };

function logThat(outcome: WriteOutcome) {
  const written: [string, readonly OutgoingRecord[]][] = [];
  const write = async (topic: string, records: readonly OutgoingRecord[]) => {
    written.push([topic, records]);
    return records.map(() => outcome);
  };
  return { written, options: { write, router } };
}

test('a record is produced to its topic as it was to be, to the last digit', async () => {
  const { written, options } = logThat({ ok: true });
  assert.deepEqual(await produceAgain(options, letter), { ok: true });
  assert.deepEqual(
    written.map(([topic, [record]]) => [topic, JSON.stringify(record)]),
    [['orders', letter.payload]],
  );
});

test('an event that had no topic goes where the routes of today send it, by its source too', async () => {
  const { written, options } = logThat({ ok: true });
  const payload = JSON.stringify(event);
  for (const origin of ['ingest:eventgrid', 'ingest:schedule-tick']) {
    assert.deepEqual(await produceAgain(options, { ...unrouted, origin, payload }), { ok: true });
  }
  assert.deepEqual(
    written.map(([topic, [record]]) => [topic, record?.key]),
    [
      ['storage', 'c-1'],
      ['orders', 'c-1'],
    ],
  );
});

test('a record that the log does not take says why', async () => {
  const { options } = logThat({ ok: false, code: 'kafka-rest.bad-request', message: 'too large' });
  assert.deepEqual(await produceAgain(options, letter), {
    ok: false,
    error: 'the topic orders did not take it: kafka-rest.bad-request: too large',
  });
});

for (const [what, wrong, error] of [
  ['no JSON', { ...letter, payload: '{' }, /no JSON/],
  ['no record', { ...letter, payload: '{"key":1}' }, /no record/],
  ['no CloudEvent', { ...unrouted, payload: '{"id":1}' }, /no CloudEvent: specversion is required/],
  ['an event without a route', { ...unrouted, payload: JSON.stringify({ ...event, type: 'x' }) }, /no route/],
] as const) {
  test(`a payload that is ${what} is not produced`, async () => {
    const { written, options } = logThat({ ok: true });
    const produced = await produceAgain(options, wrong);
    assert.ok(!produced.ok);
    assert.match(produced.error, error);
    assert.equal(written.length, 0);
  });
}
