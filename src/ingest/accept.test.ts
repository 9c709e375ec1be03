import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloudEvent } from '../events/cloud-event.ts';
import { silentTelemetry } from '../shared/telemetry.ts';
import { type AcceptOptions, acceptEvents, settleUnanswered } from './accept.ts';
import { prepareRouter } from './route.ts';

const event: CloudEvent = { specversion: '1.0', id: '1', source: '/s', type: 'known' };
const stray: CloudEvent = { ...event, id: '2', type: 'stray' };
const router = await prepareRouter([
  { filter: { exact: { type: 'known' } }, topic: 'known', key: 'subject' },
]);

test('without an answer a good event is kept beside one that no route takes, which becomes a dead letter', async () => {
  const kept: string[] = [];
  const options: AcceptOptions = {
    router,
    carry: async (topic) => {
      kept.push(topic);
      return [{ kind: 'produced' }];
    },
    once: (_event, keep) => keep(),
    telemetry: silentTelemetry,
  };
  const outcomes = await acceptEvents(options, [event, stray], { whole: false });
  const deadLettered: string[] = [];
  await settleUnanswered([event, stray], outcomes, async ({ id }, { code }) => {
    deadLettered.push(`${id} ${code}`);
  });
  assert.deepEqual(kept, ['known']);
  assert.deepEqual(deadLettered, ['2 ingest.unrouted']);
});

test('without an answer an event that could not be kept is thrown back, so that it comes again', async () => {
  const failed = { kind: 'failed', topic: 'known', code: 'storage.unavailable', message: 'away' } as const;
  await assert.rejects(
    settleUnanswered([event], [failed], () => assert.fail('it is not lost yet')),
    { code: 'ingest.not-kept', retryable: true },
  );
});

test('events that come together leave in their order, however long it takes to look each of them up', async () => {
  const kept: string[] = [];
  const lookUps: (() => void)[] = [];
  const options: AcceptOptions = {
    router: await prepareRouter([{ topic: 'known', key: 'subject' }]),
    carry: async (_topic, records) => {
      kept.push(...records.map(({ value }) => (value as CloudEvent).id));
      return [{ kind: 'produced' }];
    },
    once: async ({ id }, keep) => {
      await new Promise<void>((resolve) => lookUps.push(resolve));
      return id === '/s 2' ? { kind: 'queued' } : keep();
    },
    telemetry: silentTelemetry,
  };
  const events = ['1', '2', '3'].map((id) => ({ ...event, id }));
  const accepting = acceptEvents(options, events, { windowMs: 1_000, whole: true });
  while (lookUps.length < events.length) await new Promise((resolve) => setImmediate(resolve));
  for (const found of lookUps.reverse()) {
    found();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(
    (await accepting).map(({ kind }) => kind),
    ['produced', 'queued', 'produced'],
  );
  assert.deepEqual(kept, ['1', '3']);
});
