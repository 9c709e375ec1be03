import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { watchLines } from '../support/line-watch.ts';
import { collectTelemetry, type PrintedSpan } from '../support/printed-telemetry.ts';
import { openTestCloud } from '../support/test-cloud.ts';

const cloud = await openTestCloud();
const collected = collectTelemetry();
const { print, until } = watchLines();
const host = await cloud.startHost({
  settings: { NODE_OPTIONS: `--import ${pathToFileURL('test/support/print-telemetry.ts')}` },
  print: (line) => {
    collected.take(line);
    print(line);
  },
});

const spanIn = (traceId: string, name: string): Promise<PrintedSpan> =>
  until(() => collected.spans.find((span) => span.traceId === traceId && span.name === name));

const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(host.url + path, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });

/** The events that a topic holds, read from the proxy's log. */
function eventsIn(topic: string): Record<string, unknown>[] {
  return cloud.log.allRecords(topic).map(({ value }) => JSON.parse(value));
}

const traceIdOf = (digit: string) => digit.repeat(32);
const traceparentOf = (digit: string) => `00-${traceIdOf(digit)}-${digit.repeat(16)}-01`;

test('a request is one trace from its sender to the call of the proxy, and its event keeps that trace', async () => {
  const event = { specversion: '1.0', id: 'traced', source: '/shop', type: 'order' };
  const headers = {
    'content-type': 'application/cloudevents+json',
    traceparent: traceparentOf('a'),
    tracestate: 'vendor=1',
  };
  assert.equal((await post('/api/events/orders', JSON.stringify(event), headers)).status, 202);
  const receive = await spanIn(traceIdOf('a'), 'sluice.receive');
  const produce = await spanIn(traceIdOf('a'), 'sluice.produce');
  assert.deepEqual(receive.attributes, { source: 'orders' });
  assert.ok(receive.parentSpanId !== undefined, 'its parent is the span of the platform for the invocation');
  assert.equal(produce.parentSpanId, receive.spanId);
  assert.deepEqual(produce.attributes, { topic: 'orders.v1', records: 1 });
  assert.partialDeepStrictEqual(
    eventsIn('orders.v1').find(({ id }) => id === 'traced'),
    { traceparent: traceparentOf('a'), tracestate: 'vendor=1' },
  );
});

test('an event that comes with a trace keeps the one it started in', async () => {
  const event = {
    specversion: '1.0',
    id: 'older',
    source: '/shop',
    type: 'order',
    traceparent: traceparentOf('b'),
  };
  const headers = { 'content-type': 'application/cloudevents+json', traceparent: traceparentOf('c') };
  assert.equal((await post('/api/events/orders', JSON.stringify(event), headers)).status, 202);
  await spanIn(traceIdOf('c'), 'sluice.produce');
  assert.equal(eventsIn('orders.v1').find(({ id }) => id === 'older')?.traceparent, traceparentOf('b'));
});

test("a provider's webhook is traced like any request", async () => {
  const body = '{"action":"opened"}';
  const signature = createHmac('sha256', 'test-github-secret').update(body).digest('hex');
  const headers = {
    'x-github-event': 'issues',
    'x-github-delivery': 'traced-delivery',
    'x-hub-signature-256': `sha256=${signature}`,
    traceparent: traceparentOf('d'),
  };
  assert.equal((await post('/api/webhooks/github', body, headers)).status, 202);
  const receive = await spanIn(traceIdOf('d'), 'sluice.receive');
  assert.equal((await spanIn(traceIdOf('d'), 'sluice.produce')).parentSpanId, receive.spanId);
  assert.equal(eventsIn('github')[0]?.traceparent, traceparentOf('d'));
});

test('events of Event Grid and of schedules have spans too', async () => {
  const event = { specversion: '1.0', id: 'grid', source: '/s', type: 'Microsoft.Storage.BlobDeleted' };
  const path = '/runtime/webhooks/eventgrid?functionName=ingestEventGrid';
  assert.equal((await post(path, JSON.stringify([event]), { 'aeg-event-type': 'Notification' })).status, 202);
  assert.equal((await post('/admin/functions/publish-tick', '{}')).status, 202);
  for (const source of ['eventgrid', 'schedule-tick']) {
    const { traceId, spanId } = await until(() =>
      collected.spans.find(
        ({ name, attributes }) => name === 'sluice.receive' && attributes.source === source,
      ),
    );
    assert.equal((await spanIn(traceId, 'sluice.produce')).parentSpanId, spanId);
  }
});

test('what is accepted, produced, rejected and spilled is counted, and batches and their latency are measured', async () => {
  const sum = (name: string, attributes: Record<string, unknown>) =>
    collected.metric(name, attributes)?.sum ?? 0;
  const orders = { topic: 'orders.v1' };
  // The tests before this one sent two.
  const sentBefore = 2;
  await until(() => sum('sluice.produced', orders) === sentBefore);
  const statuses: number[] = [];
  const send = async (path: string, body: string, headers?: Record<string, string>) =>
    statuses.push((await post(path, body, headers)).status);
  await send('/api/events/orders', '{"customer":"1"}');
  await send('/api/events/orders', '{"customer":"2"}');
  await send('/api/events/orders', '{');
  await send('/api/events/nobody', '{}');
  await send('/api/webhooks/github', '{}');
  const stray = { specversion: '1.0', id: 'stray', source: '/s', type: 'stray' };
  await send('/api/events', JSON.stringify(stray), { 'content-type': 'application/cloudevents+json' });
  assert.deepEqual(statuses, [202, 202, 400, 404, 401, 404]);

  cloud.faults.set([{ operation: 'produce', status: 503 }]);
  await send('/api/events/orders', '{"customer":"3"}');
  cloud.faults.clear();
  assert.equal(statuses.at(-1), 202);
  const failed = await until(() => collected.spans.find((span) => span.failed !== undefined));
  assert.deepEqual([failed.name, failed.failed], ['sluice.produce', 'kafka-rest.failed']);

  await until(() => sum('sluice.accepted', { source: 'orders', outcome: 'queued' }) === 1);
  await until(() => sum('sluice.spilled', orders) === 1);
  for (const reason of ['malformed-body', 'unknown-source', 'unverified', 'no-route']) {
    await until(() => sum('sluice.rejected', { reason }) === 1);
  }
  const produced = { source: 'orders', outcome: 'produced' };
  await until(() => sum('sluice.accepted', produced) === sentBefore + 2);
  // The spilled one is produced from the outbox.
  await until(() => sum('sluice.produced', orders) === sentBefore + 3);
  const flush = await until(() => collected.spans.find(({ name }) => name === 'sluice.flush'));
  assert.deepEqual(flush.attributes, orders);
  assert.equal(collected.metric('sluice.produce.records', orders)?.count, sentBefore + 3);
  assert.equal(collected.metric('sluice.produce.duration', orders)?.count, sentBefore + 3);
});
