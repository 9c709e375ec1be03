import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual, promisify } from 'node:util';
import type { HostProcess } from '../../local/stack.ts';
import type { Status, SubscriptionStatus } from '../../src/operate/status.ts';
import { openTestCloud, patienceMs } from '../support/test-cloud.ts';

const cloud = await openTestCloud();
const path = '/all';
const topic = 'orders.v1';
const partitions = [0, 1, 2];
let host: HostProcess;

before(async () => {
  cloud.log.createTopic({
    name: topic,
    partitionCount: partitions.length,
    replicationFactor: 1,
    properties: {},
  });
  host = await cloud.startHost({ settings: { TABLE_PREFIX: 'operate' } });
});
after(() => host.stop());

/** Runs a command line of its own, as an operator does. */
async function sluice(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const run = promisify(execFile)(process.execPath, ['cli/sluice.js', ...args, '--url', host.url]);
  return run.then(
    ({ stdout, stderr }) => ({ code: 0, out: stdout, err: stderr }),
    ({ code, stdout, stderr }) => ({ code, out: stdout, err: stderr }),
  );
}

async function status(): Promise<SubscriptionStatus> {
  const { out, err } = await sluice('status', 'all', '--json');
  const [all] = (JSON.parse(out || '{}') as Status).subscriptions ?? [];
  assert.ok(all, err);
  return all;
}

/** Asks for the status until it is as expected. */
async function statusThat(fits: (all: SubscriptionStatus) => boolean): Promise<SubscriptionStatus> {
  const untilMs = Date.now() + patienceMs;
  for (;;) {
    const all = await status();
    if (fits(all)) return all;
    assert.ok(Date.now() < untilMs, JSON.stringify(all));
  }
}

function append(count: number, type = 'order.placed'): void {
  const records = Array.from({ length: count * partitions.length }, (_, index) => ({
    partition: index % partitions.length,
    key: `customer-${index}`,
    value: JSON.stringify({ specversion: '1.0', id: `${type}-${index}`, source: '/shop', type }),
  }));
  cloud.log.append(topic, records);
}

function delivered(at = path): number {
  return cloud.sink.deliveries(at).filter(({ status }) => status === 200).length;
}

test('what is paused stays where it is, and goes on when it is resumed', async () => {
  append(4);
  await cloud.sink.waitFor(12, { timeoutMs: patienceMs, path });
  await statusThat(({ lagRecords }) => lagRecords === 0);
  assert.equal((await sluice('pause', 'all', '--why', 'maintenance')).code, 0);
  append(2);
  const paused = await statusThat(({ lagRecords }) => lagRecords === 6);
  assert.deepEqual([paused.endpoint.state, paused.endpoint.why], ['paused', 'maintenance']);
  assert.ok(paused.lagMs !== null && paused.lagMs >= 0);
  assert.equal((await sluice('resume', 'all')).code, 0);
  await statusThat(({ lagRecords }) => lagRecords === 0);
  assert.equal(delivered(), 18);
});

test('a seek while the drain walks wins, and the records come again', async () => {
  cloud.sink.clear();
  const sought = await sluice(
    'seek',
    'all',
    '--to',
    'offset:2',
    '--topic',
    topic,
    '--partition',
    '1',
    '--json',
  );
  assert.equal(sought.code, 0, sought.err);
  await cloud.sink.waitFor(4, { timeoutMs: patienceMs, path });
  await statusThat(({ lagRecords }) => lagRecords === 0);
  const ids = cloud.sink.deliveries(path).map(({ webhookId }) => webhookId);
  assert.deepEqual(new Set(ids), new Set([2, 3, 4, 5].map((offset) => `orders~v1_1_${offset}`)));
});

test('a replay delivers a range elsewhere and leaves the checkpoint alone', async () => {
  const before = await status();
  const target = `${cloud.sink.url}/elsewhere`;
  const { code, out, err } = await sluice('replay', 'all', '--target', target, '--topic', topic, '--json');
  assert.equal(code, 0, err);
  assert.equal(JSON.parse(out).delivered, 18);
  assert.equal(delivered('/elsewhere'), 18);
  assert.ok(cloud.sink.deliveries('/elsewhere').every(({ signature }) => signature === 'valid'));
  const places = ({ partitions }: SubscriptionStatus) => partitions.map(({ nextOffset }) => nextOffset);
  assert.deepEqual(places(await status()), places(before));
});

test('a refused record becomes a dead letter, which is shown, redriven and done', async () => {
  cloud.sink.behave(path, { status: 422 });
  append(1, 'order.refused');
  await statusThat(({ lagRecords, parked }) => lagRecords === 0 && parked === 0);
  const listed = await sluice('deadletters', 'list', '--origin', 'all', '--json');
  const { letters } = JSON.parse(listed.out);
  assert.equal(letters.length, 3);
  const [{ key }] = letters;
  const whole = JSON.parse((await sluice('deadletters', 'get', 'all', key, '--json')).out);
  assert.equal(whole.attempts.at(-1).status, 422);
  assert.match(whole.payload, /order\.refused/);

  const refused = await sluice('deadletters', 'redrive', 'all', key);
  assert.equal(refused.code, 1);
  assert.match(refused.out, /answered 422/);
  cloud.sink.behave(path, {});
  await sluice('pause', 'all', '--why', 'maintenance');
  const paused = await sluice('deadletters', 'redrive', 'all', key);
  assert.equal(paused.code, 1);
  assert.match(paused.err, /the endpoint is paused: maintenance; resume all first, or .*--force/);
  assert.equal((await sluice('deadletters', 'redrive', 'all', key, '--force')).code, 0);
  await sluice('resume', 'all');
  assert.equal((await sluice('deadletters', 'discard', 'all', '--all')).code, 0);
  const { out } = await sluice('deadletters', 'list', '--origin', 'all', '--state', 'all', '--json');
  const states = JSON.parse(out).letters.map(({ state }: { state: string }) => state);
  assert.deepEqual(states, ['redriven', 'discarded', 'discarded']);
});

test('a 410 disables until an operator resumes, and nothing is lost', async () => {
  cloud.sink.clear();
  cloud.sink.behave(path, { status: 410 });
  append(1, 'order.gone');
  const disabled = await statusThat(({ endpoint }) => endpoint.state === 'disabled');
  assert.match(disabled.endpoint.why, /410/);
  cloud.sink.behave(path, {});
  await sluice('resume', 'all');
  await statusThat(
    ({ endpoint, lagRecords, parked }) => endpoint.state === 'active' && lagRecords === 0 && parked === 0,
  );
  assert.equal(
    new Set(
      cloud.sink
        .deliveries(path)
        .filter(({ status }) => status === 200)
        .map(({ webhookId }) => webhookId),
    ).size,
    3,
  );
});

test('a test event arrives and tells how it was answered', async () => {
  cloud.sink.clear();
  const { code, out } = await sluice('test-event', 'all', '--json');
  assert.equal(code, 0);
  assert.equal(JSON.parse(out).status, 200);
  assert.match(cloud.sink.deliveries(path)[0]?.body ?? '', /sluice\.test/);
});

test('a partition that a topic made anew does not have is missing, until it is given up', async () => {
  cloud.log.deleteTopic(topic);
  cloud.log.createTopic({ name: topic, partitionCount: 1, replicationFactor: 1, properties: {} });
  const ours = (all: SubscriptionStatus) => all.partitions.filter((one) => one.topic === topic);
  await statusThat((all) =>
    isDeepStrictEqual(
      ours(all).map(({ missing }) => missing),
      [false, true, true],
    ),
  );
  const seek = (partition: number, to: string) =>
    sluice('seek', 'all', '--to', to, '--topic', topic, '--partition', String(partition));
  const refused = await seek(2, 'latest');
  assert.deepEqual([refused.code, /only a seek to earliest gives it up/.test(refused.err)], [1, true]);
  const givenUp = await seek(2, 'earliest');
  assert.equal(givenUp.code, 0, givenUp.err);
  const last = ours(await status()).at(-1);
  assert.deepEqual([last?.nextOffset, last?.endOffset, last?.missing], ['0', '0', true]);
});

test('the endpoints open to the master key only', async () => {
  const guarded = await cloud.startHost({ settings: { TABLE_PREFIX: 'guarded' }, enableAuth: true });
  const ask = (key: string) =>
    fetch(`${guarded.url}/api/admin/status`, { headers: { 'x-functions-key': key } });
  assert.equal((await ask('')).status, 401);
  await guarded.stop();
});
