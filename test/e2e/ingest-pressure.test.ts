import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { afterEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { openTestCloud, patienceMs, usualConfig } from '../support/test-cloud.ts';

const topic = 'orders.v1';
const inFlightRequestsMax = 8;
const inFlightBytesMax = 400_000;
const ratePerMinute = 3;
/** How long a call of the proxy takes while the bridge is flooded: what was let in stays so long. */
const latencyMs = 1_000;
const retryAfterSeconds = '1';

const cloud = await openTestCloud();
/** The usual configuration with little room. */
const { ingest, limits } = usualConfig;
const narrowConfig = {
  ...usualConfig,
  ingest: { ...ingest, handshake: { ...ingest.handshake, ratePerMinute } },
  limits: { ...limits, inFlightRequestsMax, inFlightBytesMax },
};

/** Emits `rss` with the bytes that the host holds, several times a second. */
const memory = new EventEmitter();
const host = await cloud.startHost({
  settings: {
    BRIDGE_CONFIG: await cloud.writeConfig(narrowConfig),
    NODE_OPTIONS: `--import ${pathToFileURL('test/support/print-memory.ts')}`,
  },
  print: (line) => {
    if (line.startsWith('{"rssBytes":')) memory.emit('rss', JSON.parse(line).rssBytes);
  },
});
// So that the flood meets warm connections and a topic that is there.
assert.equal((await send('warm-up')).status, 202);

afterEach(() => cloud.faults.clear());

async function send(id: string, bytes = 0, headers: Record<string, string> = {}) {
  const data = { customer: id, padding: 'x'.repeat(bytes) };
  const answer = await fetch(`${host.url}/api/events/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json', ...headers },
    body: JSON.stringify({ specversion: '1.0', id, source: '/flood', type: 'order', data }),
  });
  return {
    id,
    status: answer.status,
    retryAfter: answer.headers.get('retry-after'),
    text: await answer.text(),
  };
}

/** Sends all of them at once, while what gets in stays. */
async function flood(ids: readonly string[], bytes = 0) {
  cloud.faults.set([{ operation: 'produce', latencyMs }]);
  const answers = await Promise.all(ids.map((id) => send(id, bytes)));
  cloud.faults.clear();
  const taken = answers.filter(({ status }) => status === 202);
  const pushedBack = answers.filter(({ status }) => status === 429);
  assert.equal(taken.length + pushedBack.length, answers.length);
  for (const { retryAfter, text } of pushedBack) {
    assert.equal(retryAfter, retryAfterSeconds);
    assert.equal(JSON.parse(text).type, 'urn:sluice:problem:overloaded');
  }
  return { taken, pushedBack };
}

/** Ids in the log, sorted. */
function held(prefix: string): string[] {
  return cloud.log
    .allRecords(topic)
    .map(({ value }) => String(JSON.parse(value).id))
    .filter((id) => id.startsWith(prefix))
    .sort();
}

const idsOf = (name: string, count: number) =>
  Array.from({ length: count }, (_, number) => `${name}-${number}`);
const sorted = (answers: readonly { id: string }[]) => answers.map(({ id }) => id).sort();

for (const { what, bytes, count, roomFor } of [
  { what: 'requests', bytes: 0, count: 64, roomFor: inFlightRequestsMax },
  { what: 'bytes', bytes: 100_000, count: 16, roomFor: 3 },
]) {
  test(`more ${what} than there is room for are answered 429, and come in when sent again`, async () => {
    const { taken, pushedBack } = await flood(idsOf(what, count), bytes);
    assert.equal(taken.length, roomFor);
    assert.deepEqual(held(what), sorted(taken), 'what was pushed back is not in the log');

    for (const { id } of pushedBack) assert.equal((await send(id, bytes)).status, 202, 'there is room again');
    assert.deepEqual(held(what), idsOf(what, count).sort(), 'each once');
  });
}

test('a sender that is faster than the handshake allowed it is told when to come again', async () => {
  const headers = { 'webhook-request-origin': 'eventgrid.azure.net' };
  for (const id of idsOf('paced', ratePerMinute)) assert.equal((await send(id, 0, headers)).status, 202);
  const { status, retryAfter, text } = await send('paced-too-fast', 0, headers);
  assert.equal(status, 429);
  assert.ok(Number(retryAfter) > 0 && Number(retryAfter) <= 60 / ratePerMinute, String(retryAfter));
  assert.equal(JSON.parse(text).type, 'urn:sluice:problem:rate-exceeded');
  assert.deepEqual(held('paced'), idsOf('paced', ratePerMinute));
  assert.equal((await send('others')).status, 202, 'others are not held to it');
});

test('with the limits as they come, it is the bridge that pushes back first, since the platform says no Retry-After', async () => {
  const { extensions } = JSON.parse(await readFile('host.json', 'utf8'));
  const schema = JSON.parse(await readFile('bridge.schema.json', 'utf8'));
  const bridgeLetsIn = schema.properties.limits.properties.inFlightRequestsMax.default;
  assert.ok(extensions.http.maxConcurrentRequests > bridgeLetsIn);
  assert.ok(extensions.http.maxOutstandingRequests > bridgeLetsIn);
});

test('senders that try again until they are taken get everything in once, through whatever crowd', async () => {
  const ids = idsOf('crowd', 100);
  const left = new Set(ids);
  const signal = AbortSignal.timeout(patienceMs);
  while (left.size > 0) {
    signal.throwIfAborted();
    for (const { id, status } of await Promise.all([...left].map((id) => send(id)))) {
      assert.ok(status === 202 || status === 429, String(status));
      if (status === 202) left.delete(id);
    }
  }
  assert.deepEqual(held('crowd'), ids.sort());
});

test('what is pushed back takes no memory, however much it is', async (t) => {
  const bytes = 200_000;
  const roundRequests = 24;
  const growthBytesMax = 100 * 1_048_576;
  const rssNow = async (): Promise<number> => (await once(memory, 'rss'))[0];

  await flood(idsOf('warm', roundRequests), bytes);
  const before = await rssNow();
  let sent = 0;
  let peak = before;
  memory.on('rss', (rss) => {
    peak = Math.max(peak, rss);
  });
  cloud.faults.set([{ operation: 'produce', latencyMs: patienceMs }]);
  // This stays in for long and leaves no room for others.
  const staying = send('staying', inFlightBytesMax - bytes);
  while (cloud.faults.list()[0]?.hits === 0) await rssNow();
  for (let round = 0; sent <= 1.5 * growthBytesMax; round += 1) {
    const answers = await Promise.all(idsOf(`flood-${round}`, roundRequests).map((id) => send(id, bytes)));
    sent += answers.filter(({ status }) => status === 429).length * bytes;
  }
  await rssNow();
  cloud.faults.clear();
  assert.equal((await staying).status, 202);
  t.diagnostic(`${sent} bytes pushed back, ${peak - before} more held at the peak`);
  assert.ok(peak - before < growthBytesMax);
});
