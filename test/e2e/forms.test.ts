import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { after, before, test } from 'node:test';
import { type CloudEventV1, HTTP } from 'cloudevents';
import type { HostProcess } from '../../local/stack.ts';
import type { Delivery } from '../../local/webhook-sink.ts';
import { openTestCloud, patienceMs, usualConfig } from '../support/test-cloud.ts';

const cloud = await openTestCloud();
const topic = 'orders.v1';
const recordsMax = 5;

/** Each form with another proof of who sends it. */
const subscriptions = {
  structured: { form: 'structured', auth: { kind: 'bearer', token: '${ENDPOINT_SECRET}' } },
  binary: {
    form: 'binary',
    auth: {
      kind: 'oauth2',
      tokenUrl: '${TOKEN_URL}',
      clientId: '${KAFKA_REST_CLIENT_ID}',
      clientSecret: '${KAFKA_REST_CLIENT_SECRET}',
      scope: 'https://hib.azurehdinsight.net/.default',
    },
  },
  batch: {
    form: { kind: 'batch', recordsMax },
    auth: { kind: 'apiKey', header: 'x-api-key', value: '${ENDPOINT_SECRET}' },
  },
  array: {
    form: { kind: 'array', recordsMax },
    auth: { kind: 'basic', user: 'bridge', password: '${ENDPOINT_SECRET}' },
  },
};
type Name = keyof typeof subscriptions;

const { all } = usualConfig.subscriptions;
const config = {
  ...usualConfig,
  subscriptions: Object.fromEntries(
    Object.entries(subscriptions).map(([name, { form, auth }]) => [
      name,
      { ...all, topics: [topic], form, endpoint: { ...all.endpoint, url: `\${SINK_URL}/${name}`, auth } },
    ]),
  ),
};

const events = Array.from({ length: 12 }, (_, number) => ({
  specversion: '1.0',
  id: `e${String(number).padStart(2, '0')}`,
  source: '/shop',
  type: 'order.placed',
  subject: `Zoë & co, 100 %, "${number}"`,
  time: '2026-11-22T10:00:00.000Z',
  datacontenttype: 'application/json',
  tenant: 'contoso',
  data: { number, text: 'ünïcode', nested: [1, null, { deep: true }] },
}));

let host: HostProcess;
before(async () => {
  cloud.log.createTopic({ name: topic, partitionCount: 2, replicationFactor: 1, properties: {} });
  cloud.log.append(
    topic,
    events.map((event, index) => ({ partition: index % 2, key: null, value: JSON.stringify(event) })),
  );
  host = await cloud.startHost({
    settings: {
      BRIDGE_CONFIG: await cloud.writeConfig(config),
      ENDPOINT_SECRET: 'p4ss',
      TOKEN_URL: `${cloud.issuer.authority}/oauth2/v2.0/token`,
    },
  });
});
after(() => host.stop());

/** What the CloudEvents SDK reads. */
function read(headers: IncomingHttpHeaders, body: string): CloudEventV1<unknown>[] {
  const found = HTTP.toEvent<unknown>({ headers, body });
  return Array.isArray(found) ? found : [found];
}

/** Waits until the receiver has had every event, and gives the deliveries and what the SDK reads of them. */
async function receive(name: Name, eventsOf: (delivery: Delivery) => CloudEventV1<unknown>[]) {
  const readAll = (deliveries: readonly Delivery[]) =>
    deliveries.filter(({ status }) => status === 200).flatMap(eventsOf);
  const deliveries = await cloud.sink.waitFor((some) => readAll(some).length >= events.length, {
    timeoutMs: patienceMs,
    path: `/${name}`,
  });
  assert.ok(deliveries.every(({ signature }) => signature === 'valid'));
  const found = readAll(deliveries).map((event) => JSON.parse(JSON.stringify(event)));
  return { deliveries, found: found.toSorted((one, other) => (one.id < other.id ? -1 : 1)) };
}

test('structured: the SDK reads each event as it stands in the topic, sent with a bearer token', async () => {
  const { deliveries, found } = await receive('structured', ({ headers, body }) => read(headers, body));
  assert.deepEqual(found, events);
  for (const { headers } of deliveries) assert.equal(headers.authorization, 'Bearer p4ss');
});

test('binary: the SDK reads attributes from headers and data from the body, sent with an OAuth 2 token', async () => {
  const { deliveries, found } = await receive('binary', ({ headers, body }) => read(headers, body));
  // The SDK leaves headers percent-encoded, which the HTTP binding (section 3.1.3.2) asks receivers to undo.
  const decoded = found.map((event) => ({ ...event, subject: decodeURIComponent(event.subject) }));
  assert.deepEqual(decoded, events);
  const tokens = new Set(deliveries.map(({ headers }) => headers.authorization));
  assert.equal(tokens.size, 1, 'one token serves all');
  const [, claims = ''] = [...tokens].join().split('.');
  const { azp, appid } = JSON.parse(Buffer.from(claims, 'base64url').toString());
  assert.equal(azp ?? appid, cloud.settings.KAFKA_REST_CLIENT_ID);
});

test('batch: the SDK reads a CloudEvents batch of several events, sent with an API key', async () => {
  const { deliveries, found } = await receive('batch', ({ headers, body }) => read(headers, body));
  assert.deepEqual(found, events);
  assert.ok(deliveries.length < events.length, `${deliveries.length} requests`);
  assert.ok(deliveries.every(({ body }) => JSON.parse(body).length <= recordsMax));
  for (const { headers } of deliveries) assert.equal(headers['x-api-key'], 'p4ss');
});

test('array: each element is the value of a record, here an event for the SDK, sent with basic auth', async () => {
  const structured = { 'content-type': 'application/cloudevents+json' };
  const { deliveries, found } = await receive('array', ({ body }) =>
    (JSON.parse(body) as unknown[]).flatMap((element) => read(structured, JSON.stringify(element))),
  );
  assert.deepEqual(found, events);
  assert.ok(deliveries.length < events.length, `${deliveries.length} requests`);
  for (const { headers } of deliveries) {
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers.authorization, `Basic ${Buffer.from('bridge:p4ss').toString('base64')}`);
  }
});
