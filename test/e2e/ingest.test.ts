import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { stranger } from '../../local/stack.ts';
import { Secret } from '../../src/shared/secret.ts';
import { createTableDeadLetters } from '../../src/storage/table/dead-letters.ts';
import { openTable } from '../../src/storage/table/open-table.ts';
import { openTestCloud, patienceMs } from '../support/test-cloud.ts';

const cloud = await openTestCloud();
const host = await cloud.startHost();
/** Event Grid's own headers on a notification. */
const notification = { 'aeg-event-type': 'Notification' };
/** A storage account at a port where nothing listens. */
const storageNowhere = cloud.settings.AzureWebJobsStorage?.replace(/127\.0\.0\.1:\d+/, '127.0.0.1:9') ?? '';

/** Tries until it holds: each try is a request, so time passes by itself. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const signal = AbortSignal.timeout(patienceMs);
  while (!(await holds())) signal.throwIfAborted();
}

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
  return cloud.log.allRecords(topic).map(({ value }) => JSON.parse(value).id);
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
  const again = await post(path, JSON.stringify([gridEvent, cloudEvent]), notification);
  assert.equal(again.status, 202);
  assert.deepEqual(idsIn('storage').sort(), ['grid-1', 'grid-2'], 'what is sent again is recognised');

  const good = { ...cloudEvent, id: 'grid-3' };
  const bottomless = { ...cloudEvent, id: 'grid-deep', data: JSON.parse('['.repeat(100) + ']'.repeat(100)) };
  const unwanted = { ...cloudEvent, type: 'nobody.wants.this' };
  const mixed = JSON.stringify([good, unwanted, { neither: 'schema' }, bottomless]);
  assert.equal((await post(path, mixed, notification)).status, 202, 'or the good one would be sent for ever');
  assert.deepEqual(idsIn('storage').sort(), ['grid-1', 'grid-2', 'grid-3']);

  const connectionString = new Secret(cloud.azurite.connectionString);
  const deadLetters = createTableDeadLetters(
    await openTable({ connectionString, tablePrefix: 'test' }, 'deadletters'),
    'test',
  );
  const letters = await deadLetters.list('ingest:eventgrid', { max: 10 });
  assert.deepEqual(letters.map(({ reason }) => reason.code).sort(), [
    'event-grid.invalid',
    'event-grid.too-deep',
    'ingest.unrouted',
  ]);
  const { key = '' } = letters.find(({ reason }) => reason.code === 'event-grid.too-deep') ?? {};
  const kept = await deadLetters.get('ingest:eventgrid', key);
  assert.deepEqual(JSON.parse(kept?.letter.payload ?? ''), bottomless, 'with its payload');
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

test('while the proxy is away events wait in the outbox, and are produced when it is back', async () => {
  const heldBefore = idsIn('orders.v1').length;
  const bringBack = await cloud.interruptProxy();
  for (const customer of ['c2', 'c2', 'c3']) {
    const { status, text } = await post('/api/events/orders', JSON.stringify({ customer }));
    assert.equal(status, 202, text);
    assert.match(text, /"outcome":"queued"/);
  }
  const health = await fetch(`${host.url}/api/health`);
  assert.equal(health.status, 503);
  const { checks } = (await health.json()) as { checks: Record<string, { ok: boolean; code?: string }> };
  assert.deepEqual([checks.config?.ok, checks.storage?.ok, checks.proxy?.ok], [true, true, false]);

  await bringBack();
  await cloud.sink.waitFor(
    (deliveries) => deliveries.filter(({ body }) => /"c[23]"/.test(body)).length >= 3,
    {
      timeoutMs: patienceMs,
    },
  );
  assert.equal(idsIn('orders.v1').length, heldBefore + 3, 'each is there, and once');
  assert.equal((await fetch(`${host.url}/api/health`)).status, 200);
});

test('with proxy and storage both away the answer is 503 with Retry-After, and then it is fine again', async () => {
  const lonely = await cloud.startHost({ settings: { AzureWebJobsStorage: storageNowhere } });
  const bringBack = await cloud.interruptProxy();
  const away = await post('/api/events/orders', '{"customer":"c5"}', {}, lonely.url);
  assert.equal(away.status, 503, away.text);
  assert.equal(away.headers.get('retry-after'), '1');
  await bringBack();
  const heldBefore = idsIn('orders.v1').length;
  await until(
    async () => (await post('/api/events/orders', '{"customer":"c5"}', {}, lonely.url)).status === 202,
  );
  assert.equal(idsIn('orders.v1').length, heldBefore + 1, 'only the event that was acknowledged is there');
  await lonely.stop();
});

test('a record that the proxy reports as too large inside a 200 is kept as a dead letter, its neighbours are not', async () => {
  const { faults } = cloud;
  faults.set([
    { operation: 'produce', recordError: { errorCode: 10, message: 'too large', valueIncludes: 'poison' } },
  ]);
  const values = ['one', 'poison', 'three'];
  const answers = await Promise.all(
    values.map((customer) => post('/api/events/orders', JSON.stringify({ customer }))),
  );
  faults.clear();
  assert.deepEqual(
    answers.map(({ status, text }) => [status, JSON.parse(text).events[0].outcome]),
    [
      [202, 'produced'],
      [202, 'dead-lettered'],
      [202, 'produced'],
    ],
  );
});

test('events that come again within the window of their source are answered like the first', async () => {
  const event = JSON.stringify({ specversion: '1.0', id: 'again-1', source: '/shop', type: 'order' });
  const headers = { 'content-type': 'application/cloudevents+json' };
  const first = await post('/api/events/orders', event, headers);
  const answers = await Promise.all([1, 2, 3].map(() => post('/api/events/orders', event, headers)));
  for (const { text } of answers) assert.equal(text, first.text);
  assert.equal(idsIn('orders.v1').filter((id) => id === 'again-1').length, 1);
});

test('a webhook is taken in when its signature fits, and refused when it does not', async () => {
  const body = '{"action":"opened","repository":{"full_name":"a/b"}}';
  const signature = createHmac('sha256', 'test-github-secret').update(body).digest('hex');
  const headers = {
    'x-github-event': 'issues',
    'x-github-delivery': 'delivery-1',
    'x-hub-signature-256': `sha256=${signature}`,
  };
  const taken = await post('/api/webhooks/github', body, headers);
  assert.equal(taken.status, 202, taken.text);
  assert.equal(JSON.parse(taken.text).events[0].id, 'delivery-1');
  assert.equal((await post('/api/webhooks/github', `${body} `, headers)).status, 401);
  assert.equal(
    (await post('/api/webhooks/orders', body, headers)).status,
    404,
    'a source without auth takes none',
  );
  assert.deepEqual(idsIn('github'), ['delivery-1']);
});

test('the handshake of CloudEvents senders is answered as configured', async () => {
  const ask = (origin: string) =>
    fetch(`${host.url}/api/events/orders`, {
      method: 'OPTIONS',
      headers: { 'webhook-request-origin': origin },
    });
  const allowed = await ask('eventgrid.azure.net');
  assert.equal(allowed.status, 200);
  assert.equal(allowed.headers.get('webhook-allowed-origin'), 'eventgrid.azure.net');
  assert.equal((await ask('stranger.example')).headers.get('webhook-allowed-origin'), null);
});

test("a stranger's identity is refused by the proxy, and the bridge says which door is closed", async () => {
  const lines: string[] = [];
  const strange = await cloud.startHost({
    settings: { KAFKA_REST_CLIENT_ID: stranger.clientId, KAFKA_REST_CLIENT_SECRET: stranger.clientSecret },
    print: (line) => lines.push(line),
  });
  const { text } = await post('/api/events/orders', '{"customer":"c4"}', {}, strange.url);
  assert.match(text, /"outcome":"queued"/, 'it waits until an operator has mended it');
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
  const settings = { KAFKA_REST_URL: 'kafka:9092', SINK_SECRET: '' };
  await assert.rejects(cloud.startHost({ settings }), ({ message }: Error) => {
    assert.match(message, /before it was ready/);
    assert.match(message, /proxy\.url: must be an absolute http\(s\) URL/);
    assert.match(message, /signingSecrets\.0: the setting SINK_SECRET is not set/);
    return true;
  });
});
