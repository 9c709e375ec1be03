import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { QueueServiceClient } from '@azure/storage-queue';
import type { Delivery } from '../../local/webhook-sink.ts';
import { openTestCloud, patienceMs, usualConfig } from '../support/test-cloud.ts';

const cloud = await openTestCloud();
const path = '/all';
const topic = 'orders.v1';
const partitionCount = 3;
/** Who walks the partitions: the timer itself, or whoever takes its messages off a queue. */
const modes = ['inline', 'queue'] as const;
type Mode = (typeof modes)[number];

function writeConfig(mode: Mode): Promise<string> {
  return cloud.writeConfig({ ...usualConfig, drain: { ...usualConfig.drain, mode } });
}
const configs = { inline: await writeConfig('inline'), queue: await writeConfig('queue') };

beforeEach(() => {
  cloud.log.createTopic({ name: topic, partitionCount, replicationFactor: 1, properties: {} });
});
afterEach(async () => {
  cloud.log.deleteTopic(topic);
  cloud.sink.behave(path, {});
  cloud.sink.clear();
});

/** Writes records to each partition, by the log itself. */
function append(perPartition: number): void {
  const records = Array.from({ length: perPartition * partitionCount }, (_, index) => ({
    partition: index % partitionCount,
    key: null,
    value: JSON.stringify({ number: index }),
  }));
  cloud.log.append(topic, records);
}

/** App settings of hosts in a mode, with tables and a queue that no other test uses. */
let prefixes = 0;
function settingsFor(mode: Mode) {
  prefixes += 1;
  return { BRIDGE_CONFIG: configs[mode], TABLE_PREFIX: `test${prefixes}` };
}

function accepted(deliveries: readonly Delivery[] = cloud.sink.deliveries(path)): Delivery[] {
  return deliveries.filter(({ status }) => status === 200);
}

/** Waits until every one of `count` records was answered 200. */
function allAccepted(count: number): Promise<unknown> {
  return cloud.sink.waitFor(
    (deliveries) => new Set(accepted(deliveries).map(({ webhookId }) => webhookId)).size >= count,
    { timeoutMs: patienceMs, path },
  );
}

/** Offsets in the order in which they were first accepted, by partition. */
function firstAccepted(): Map<string, number[]> {
  const orders = new Map<string, number[]>();
  const seen = new Set<string>();
  for (const { webhookId } of accepted()) {
    if (webhookId === null || seen.has(webhookId)) continue;
    seen.add(webhookId);
    const [, partition = '', offset] = /_(\d+)_(\d+)$/.exec(webhookId) ?? [];
    orders.set(partition, [...(orders.get(partition) ?? []), Number(offset)]);
  }
  return orders;
}

function assertCompleteAndInOrder(perPartition: number): void {
  const expected = Array.from({ length: perPartition }, (_, offset) => offset);
  const orders = firstAccepted();
  assert.equal(orders.size, partitionCount);
  for (const [partition, offsets] of orders) assert.deepEqual(offsets, expected, `partition ${partition}`);
}

for (const mode of modes) {
  test(`a receiver that fails and recovers gets every record, in order, nothing twice (${mode})`, async () => {
    cloud.sink.behave(path, { script: [200, 503, 500, 302, 429, 200, 404, 503], status: 200 });
    append(10);
    const host = await cloud.startHost({ settings: settingsFor(mode) });
    await allAccepted(30);
    await host.stop();
    assertCompleteAndInOrder(10);
    assert.equal(cloud.sink.duplicates(path), 0);
    assert.ok(cloud.sink.deliveries(path).length > 30, 'there were failures');
    assert.ok(cloud.sink.deliveries(path).every(({ signature }) => signature === 'valid'));
  });

  test(`a receiver that breaks connections or stalls loses nothing either (${mode})`, async () => {
    cloud.sink.behave(path, { script: ['drop', 'drop'] });
    append(4);
    const host = await cloud.startHost({ settings: settingsFor(mode) });
    await cloud.sink.waitFor(2, { timeoutMs: patienceMs, path });
    cloud.sink.behave(path, { script: ['stall', 'stall'] });
    await allAccepted(12);
    await host.stop();
    assertCompleteAndInOrder(4);
  });

  test(`a host that is killed in mid-drain loses nothing, and what comes again is recognised (${mode})`, async () => {
    const settings = settingsFor(mode);
    cloud.sink.behave(path, { latencyMs: 10 });
    append(100);
    const first = await cloud.startHost({ settings });
    await cloud.sink.waitFor(70, { timeoutMs: patienceMs, path });
    await first.kill();

    const second = await cloud.startHost({ settings });
    await allAccepted(300);
    await second.stop();
    assertCompleteAndInOrder(100);
    const pageRecords = 20;
    const repeated = cloud.sink.duplicates(path);
    assert.ok(repeated <= pageRecords * partitionCount, `${repeated} records came again`);
  });

  test(`of two hosts that drain at once one wins each partition (${mode})`, async () => {
    const settings = settingsFor(mode);
    append(60);
    const hosts = await Promise.all([cloud.startHost({ settings }), cloud.startHost({ settings })]);
    await allAccepted(180);
    await Promise.all(hosts.map((host) => host.stop()));
    assertCompleteAndInOrder(60);
    assert.equal(cloud.sink.duplicates(path), 0);
  });
}

const garbage = [
  '',
  'no JSON',
  'null',
  '[]',
  '{}',
  '{"subscription":"all","topic":"orders.v1","partition":-1}',
];
const strays = [
  { subscription: 'nobody', topic, partition: 0 },
  { subscription: 'all', topic: 'nowhere', partition: 0 },
  { subscription: 'all', topic, partition: 99 },
].map((item) => JSON.stringify(item));

test('messages that come twice, late, for nothing or with nonsense do no harm', async () => {
  const settings = settingsFor('queue');
  const account = QueueServiceClient.fromConnectionString(cloud.azurite.connectionString);
  const queue = account.getQueueClient(`${settings.TABLE_PREFIX}-drain`);
  const put = (texts: readonly string[]) =>
    Promise.all(texts.map((text) => queue.sendMessage(Buffer.from(text).toString('base64'))));
  const allTaken = async () => {
    const signal = AbortSignal.timeout(patienceMs);
    while ((await queue.getProperties()).approximateMessagesCount !== 0) signal.throwIfAborted();
  };
  const items = [0, 1, 2].map((partition) => JSON.stringify({ subscription: 'all', topic, partition }));

  const lines: string[] = [];
  const hosts = await Promise.all(
    [1, 2].map(() => cloud.startHost({ settings, print: (line) => lines.push(line) })),
  );
  append(20);
  await allAccepted(60);
  await allTaken();
  // Nothing is due any more.
  await put([...items, ...items, ...strays, ...garbage]);
  await allTaken();
  // All of it is due, several times over.
  append(20);
  await put([...items, ...items, ...items]);
  await allAccepted(120);
  await allTaken();
  await Promise.all(hosts.map((host) => host.stop()));

  assertCompleteAndInOrder(40);
  assert.equal(cloud.sink.deliveries(path).length, 120, 'nothing was even attempted twice');
  const logged = lines.filter((line) => line.includes('drain.unreadable-message'));
  assert.equal(logged.length, garbage.length, lines.join('\n'));
  const poison = account.getQueueClient(`${settings.TABLE_PREFIX}-drain-poison`);
  assert.equal(await poison.exists(), false, 'no message failed');
});
