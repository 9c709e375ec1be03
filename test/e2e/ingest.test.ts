import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stranger } from '../../local/stack.ts';
import { openTestCloud, patienceMs } from '../support/test-cloud.ts';

const cloud = await openTestCloud();
const host = await cloud.startHost();
/** Event Grid's own headers on a notification. */
const notification = { 'aeg-event-type': 'Notification' };

async function post(path: string, body: string, headers: Record<string, string> = {}, url = host.url) {
  const answer = await fetch(url + path, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

/** Ids of the events that a topic holds, read from the proxy's log. */
function idsIn(topic: string): string[] {
  const partitions = cloud.log.topic(topic)?.partitionCount ?? 0;
  return Array.from({ length: partitions }, (_, partition) => cloud.log.allRecords(topic, partition))
    .flat()
    .map(({ value }) => JSON.parse(value).id);
}

test('an HTTP event is answered 202 with the position that the log confirmed', async () => {
  const { status, text } = await post('/api/events/orders', '{"customer":"c1","total":9007199254740993}');
  assert.equal(status, 202, text);
  const [accepted] = JSON.parse(text).events;
  assert.equal(accepted.topic, 'orders.v1');
  const kept = cloud.log.allRecords('orders.v1', accepted.partition)[accepted.offset];
  assert.equal(kept?.key, 'c1');
  assert.match(kept?.value ?? '', /"data":\{"customer":"c1","total":9007199254740993\}/);
});

test('Event Grid is answered as its extension does, and both of its schemas are produced', async () => {
  const path = '/runtime/webhooks/eventgrid?functionName=ingestEventGrid';
  const gridEvent = {
    id: 'grid-1',
    topic: '/subscriptions/s',
    subject: '/blobs/a',
    eventType: 'Microsoft.Storage.BlobCreated',
    eventTime: '2026-01-31T12:00:00Z',
    data: {},
    dataVersion: '1',
  };
  const cloudEvent = {
    specversion: '1.0',
    id: 'grid-2',
    source: '/subscriptions/s',
    type: 'Microsoft.Storage.BlobDeleted',
  };
  const validation = [{ ...gridEvent, data: { validationCode: 'code-1' } }];
  const validated = await post(path, JSON.stringify(validation), {
    'aeg-event-type': 'SubscriptionValidation',
  });
  assert.deepEqual([validated.status, JSON.parse(validated.text)], [200, { validationResponse: 'code-1' }]);

  assert.equal((await post(path, JSON.stringify([gridEvent, cloudEvent]), notification)).status, 202);
  assert.deepEqual(idsIn('storage').sort(), ['grid-1', 'grid-2']);
  const unrouted = JSON.stringify([{ ...cloudEvent, type: 'nobody.wants.this' }]);
  assert.equal((await post(path, unrouted, notification)).status, 500, 'so that Event Grid sends it again');
});

test('a schedule publishes its event', async () => {
  const { status } = await post('/admin/functions/publish-tick', '{}');
  assert.equal(status, 202);
  const [delivery] = await cloud.sink.waitFor(
    (deliveries) => deliveries.some(({ body }) => body.includes('/schedules/tick')),
    { timeoutMs: patienceMs },
  );
  assert.equal(delivery?.signature, 'valid');
  assert.match(idsIn('ticks')[0] ?? '', /^tick-\d{4}-/);
});

test('malformed bodies are refused with what would be right, and leave nothing behind', async () => {
  const heldBefore = idsIn('orders.v1').length;
  const cases: [string, string, string, number][] = [
    ['/api/events/orders', '{"a":', 'application/json', 400],
    ['/api/events/orders', '<a/>', 'application/xml', 415],
    ['/api/events', '{"specversion":"1.0"}', 'application/cloudevents+json', 400],
    ['/api/events/nobody', '{}', 'application/json', 404],
    ['/api/events/orders', JSON.stringify('x'.repeat(1_048_577)), 'application/json', 413],
  ];
  for (const [path, body, contentType, expected] of cases) {
    const { status, headers, text } = await post(path, body, { 'content-type': contentType });
    assert.equal(status, expected, text);
    assert.equal(headers.get('content-type'), 'application/problem+json');
    assert.match(JSON.parse(text).type, /^urn:sluice:problem:/);
  }
  assert.equal(idsIn('orders.v1').length, heldBefore);
});

test('while the proxy is away the answer is 503 with Retry-After, and then it is fine again', async () => {
  const heldBefore = idsIn('orders.v1').length;
  const bringBack = await cloud.interruptProxy();
  const away = await post('/api/events/orders', '{"customer":"c2"}');
  assert.equal(away.status, 503, away.text);
  assert.equal(away.headers.get('retry-after'), '1');
  const health = await fetch(`${host.url}/api/health`);
  assert.equal(health.status, 503);
  const { checks } = (await health.json()) as { checks: Record<string, { ok: boolean; code?: string }> };
  assert.deepEqual([checks.config?.ok, checks.storage?.ok, checks.proxy?.ok], [true, true, false]);

  await bringBack();
  assert.equal((await post('/api/events/orders', '{"customer":"c2"}')).status, 202);
  assert.equal(idsIn('orders.v1').length, heldBefore + 1, 'only the event that was acknowledged is there');
  assert.equal((await fetch(`${host.url}/api/health`)).status, 200);
});

test('a record that the proxy reports as failed inside a 200 is not acknowledged', async () => {
  const { faults } = cloud;
  faults.set([{ operation: 'produce', times: 1, recordError: { errorCode: 10, message: 'too large' } }]);
  const { status, text } = await post('/api/events/orders', '{"customer":"c3"}');
  assert.equal(status, 503);
  assert.match(text, /kafka-rest\.record-failed/);
});

test("a stranger's identity is refused by the proxy, and the bridge says which door is closed", async () => {
  const lines: string[] = [];
  const strange = await cloud.startHost({
    settings: { KAFKA_REST_CLIENT_ID: stranger.clientId, KAFKA_REST_CLIENT_SECRET: stranger.clientSecret },
    print: (line) => lines.push(line),
  });
  const { status, text } = await post('/api/events/orders', '{"customer":"c4"}', {}, strange.url);
  assert.equal(status, 503);
  assert.match(text, /kafka-rest\.forbidden/);
  await strange.stop();
  assert.match(lines.join('\n'), /security group/, 'the log says what to do');
  assert.doesNotMatch(lines.join('\n') + text, new RegExp(stranger.clientSecret), 'and no secret');
});

test('with keys on, a stranger gets in nowhere but at the health check', async () => {
  const closed = await cloud.startHost({ enableAuth: true });
  assert.equal((await post('/api/events/orders', '{}', {}, closed.url)).status, 401);
  assert.equal(
    (await post('/api/events/orders', '{}', { 'x-functions-key': 'guess' }, closed.url)).status,
    401,
  );
  assert.equal((await fetch(`${closed.url}/admin/functions`)).status, 401);
  assert.equal((await fetch(`${closed.url}/api/health`)).status, 200);
  await closed.stop();
});

test('a wrong configuration registers nothing, and everything wrong in it is said at once', async () => {
  const lines: string[] = [];
  const settings = { KAFKA_REST_URL: 'kafka:9092', SINK_SECRET: '' };
  await assert.rejects(
    cloud.startHost({ settings, print: (line) => lines.push(line) }),
    /before it was ready/,
  );
  const said = lines.join('\n');
  assert.match(said, /proxy\.url: must be an absolute http\(s\) URL/);
  assert.match(said, /signingSecrets\.0: the setting SINK_SECRET is not set/);
});
