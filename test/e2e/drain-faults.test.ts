import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startAzurite } from '../../local/azurite.ts';
import type { HostProcess } from '../../local/stack.ts';
import type { Delivery, SinkAnswer } from '../../local/webhook-sink.ts';
import { activeEndpoint } from '../../src/drain/endpoint-state.ts';
import { webhookIdOf } from '../../src/events/record.ts';
import { Secret } from '../../src/shared/secret.ts';
import { createTableCheckpointStore } from '../../src/storage/table/checkpoint-store.ts';
import { createTableDeadLetters } from '../../src/storage/table/dead-letters.ts';
import { openTable } from '../../src/storage/table/open-table.ts';
import { watchLines } from '../support/line-watch.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { openTestCloud, patienceMs, usualConfig } from '../support/test-cloud.ts';

/** Hosts that drain at once, in both modes, and how often one of them is killed. */
const hostModes = ['inline', 'queue', 'queue'] as const;
type Mode = (typeof hostModes)[number];
const kills = 50;
const partitionCount = 4;
const keyCount = 12;
const recordsPerKill = 40;
const topic = 'orders.v1';
/** What a crash may deliver again, of each partition that the killed host was walking. */
const windowRecords = 16;
const orderings = ['key', 'partition', 'none'] as const;
type Ordering = (typeof orderings)[number];

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
const random = seededRandom(seed);

const cloud = await openTestCloud();
/** A storage that keeps its data when it is restarted, which the cloud's own does not. */
const dir = await mkdtemp(join(tmpdir(), 'sluice-'));
let azurite = await startAzurite({ dir, ports: { tables: 0, queues: 0 } });
const { connectionString } = azurite;
const ports = { tables: azurite.tables.port, queues: azurite.queues.port };
const account = { connectionString: new Secret(connectionString), tablePrefix: 'faults' };
const checkpoints = createTableCheckpointStore(await openTable(account, 'checkpoints'));
const deadLetters = createTableDeadLetters(await openTable(account, 'deadletters'), 'test');
const lines = watchLines();

after(async () => {
  await azurite.stop();
  await rm(dir, { recursive: true, force: true });
});

/** One subscription in each ordering, impatient, so that a round of faults takes a second and not a day. */
function writeConfig(mode: Mode): Promise<string> {
  const subscriptions = Object.fromEntries(
    orderings.map((ordering) => [
      ordering,
      {
        topics: [topic],
        start: 'earliest',
        ordering,
        maxInFlight: 4,
        endpoint: {
          url: `\${SINK_URL}/${ordering}`,
          signingSecrets: ['${SINK_SECRET}'],
          timeoutMs: 700,
          allowPrivate: ['localhost'],
          breaker: { openMs: 200, openMsMax: 1_000 },
        },
        retry: { delaysMs: Array(12).fill(100), refusedAttemptsMax: 2 },
      },
    ]),
  );
  const drain = {
    mode,
    cron: '* * * * * *',
    leaseMs: 2_500,
    pageRecords: 20,
    windowRecords,
    partitionsMax: 12,
  };
  return cloud.writeConfig({ ...usualConfig, subscriptions, drain });
}

/** What was answered 2xx, by subscription and then by record, in the order in which it was. */
const accepted = new Map<string, Map<string, number>>(orderings.map((ordering) => [ordering, new Map()]));
const firstAccepted = new Map<string, string[]>(orderings.map((ordering) => [ordering, []]));

function count({ path, webhookId, status }: Delivery): void {
  if (webhookId === null || status === null || status < 200 || status > 299) return;
  const ordering = path.slice(1);
  const seen = accepted.get(ordering);
  const times = seen?.get(webhookId) ?? 0;
  seen?.set(webhookId, times + 1);
  if (times === 0) firstAccepted.get(ordering)?.push(webhookId);
}

/** What the receiver does: mostly well, else anything at all. */
function randomAnswers(howMany: number): SinkAnswer[] {
  const bad: readonly SinkAnswer[] = [
    ...([301, 302, 400, 401, 404, 408, 409, 413, 418, 422, 425, 429, 500, 502, 503, 504] as const),
    'drop',
    'drop',
    'stall',
  ];
  return Array.from({ length: howMany }, () => {
    const chance = random();
    if (chance < 0.7) return pick([200, 201, 202, 204] as const);
    return chance < 0.705 ? 410 : pick(bad);
  });
}

function pick<T>(items: readonly T[]): T {
  const item = items[Math.floor(random() * items.length)];
  assert.ok(item !== undefined);
  return item;
}

let appended = 0;
/** Writes keyed records to all partitions by the log itself; a key stays in its partition. */
function append(howMany: number): void {
  const records = Array.from({ length: howMany }, () => {
    const key = Math.floor(random() * keyCount);
    appended += 1;
    return { partition: key % partitionCount, key: `k${key}`, value: JSON.stringify({ number: appended }) };
  });
  cloud.log.append(topic, records);
}

/** The position of each checkpoint seen last; a position that falls is a failure. */
const positions = new Map<string, bigint>();

async function watchCheckpoints(): Promise<void> {
  for (const ordering of orderings) {
    const { checkpoints: stored, endpoint } = await checkpoints.list(ordering);
    for (const { checkpoint } of stored) {
      const place = `${ordering}:${checkpoint.partition}`;
      assert.ok(checkpoint.nextOffset >= (positions.get(place) ?? 0n), `${place} went backwards`);
      positions.set(place, checkpoint.nextOffset);
    }
    // The operator's part: a receiver that says 410 is not tried again until somebody resumes it.
    if (endpoint?.endpoint.state === 'disabled') {
      await checkpoints.replaceEndpoint(activeEndpoint(ordering, Date.now()), endpoint.version);
    }
  }
}

async function deadLettered(ordering: Ordering): Promise<Set<string>> {
  const letters = await deadLetters.list(ordering, { max: 100_000 });
  return new Set(letters.map(({ id }) => id));
}

function recordsOf(partition: number): { id: string; key: string | null }[] {
  const records = cloud.log.allRecords(topic, partition);
  return records.map(({ offset, key }) => ({ id: webhookIdOf({ topic, partition, offset }), key }));
}

/** The ids that are neither delivered nor among the dead letters. */
async function unfinished(ordering: Ordering): Promise<string[]> {
  const seen = accepted.get(ordering);
  const letters = await deadLettered(ordering);
  return Array.from({ length: partitionCount }, (_, partition) => recordsOf(partition))
    .flat()
    .map(({ id }) => id)
    .filter((id) => !seen?.has(id) && !letters.has(id));
}

/**
 * The records first accepted, as each line (a key, or a partition) has them. One that was given up is no part of its
 * line: the line goes on without it, and a crash right then delivers it after all, with the others of its window.
 */
async function linesOf(ordering: Ordering): Promise<Map<string, string[]>> {
  const givenUp = await deadLettered(ordering);
  const keys = new Map<string, string>();
  for (let partition = 0; partition < partitionCount; partition += 1) {
    for (const { id, key } of recordsOf(partition)) {
      keys.set(id, ordering === 'key' ? `${key}` : `${partition}`);
    }
  }
  const delivered = firstAccepted.get(ordering)?.filter((id) => !givenUp.has(id)) ?? [];
  return Map.groupBy(delivered, (id) => keys.get(id) ?? 'unknown');
}

async function assertInOrder(ordering: Ordering): Promise<void> {
  for (const [line, ids] of await linesOf(ordering)) {
    const offsets = ids.map((id) => Number(id.slice(id.lastIndexOf('_') + 1)));
    assert.deepEqual(
      offsets,
      offsets.toSorted((one, other) => one - other),
      `${ordering}: ${line}`,
    );
  }
}

test(`three hosts, ${kills} kills and a receiver that does anything: nothing is lost`, async (t) => {
  t.diagnostic(`SEED=${seed}`);
  cloud.log.createTopic({ name: topic, partitionCount, replicationFactor: 1, properties: {} });
  const stopCounting = cloud.sink.onDelivery(count);
  t.after(stopCounting);
  const configs = { inline: await writeConfig('inline'), queue: await writeConfig('queue') };
  const start = (mode: Mode) =>
    cloud.startHost({
      settings: {
        AzureWebJobsStorage: connectionString,
        TABLE_PREFIX: account.tablePrefix,
        BRIDGE_CONFIG: configs[mode],
      },
      print: lines.print,
    });
  const hosts: HostProcess[] = await Promise.all(hostModes.map(start));

  for (let kill = 0; kill < kills; kill += 1) {
    for (const ordering of orderings) {
      cloud.sink.behave(`/${ordering}`, { script: randomAnswers(1_000) });
    }
    append(recordsPerKill);
    const deliveries = Math.floor(random() * recordsPerKill);
    for (let seen = 0; seen < deliveries; seen += 1) await nextDelivery();
    const victim = Math.floor(random() * hostModes.length);
    await hosts[victim]?.kill();
    if (kill % 10 === 4) await restartProxy();
    if (kill % 10 === 9) await restartStorage();
    hosts[victim] = await start(hostModes[victim] ?? 'inline');
    await watchCheckpoints();
  }

  for (const ordering of orderings) cloud.sink.behave(`/${ordering}`, {});
  const isFinished = async () => {
    await watchCheckpoints();
    return (await Promise.all(orderings.map(unfinished))).every((left) => left.length === 0);
  };
  await lines.until(isFinished, 3 * patienceMs);
  await Promise.all(hosts.map((host) => host.stop()));

  await assertInOrder('key');
  await assertInOrder('partition');
  for (const ordering of orderings) {
    const repeated = [...(accepted.get(ordering)?.values() ?? [])].reduce((sum, times) => sum + times - 1, 0);
    const letters = (await deadLettered(ordering)).size;
    t.diagnostic(`${ordering}: ${appended} records, ${letters} dead letters, ${repeated} delivered again`);
    assert.ok(repeated <= kills * partitionCount * windowRecords, `${ordering}: ${repeated} came again`);
  }
});

/** The next delivery, or a line of a host when nothing is delivered: both will come, whatever is broken. */
async function nextDelivery(): Promise<void> {
  const delivery = Promise.withResolvers<void>();
  const stop = cloud.sink.onDelivery(() => delivery.resolve());
  await Promise.race([lines.next(), delivery.promise]);
  stop();
}

async function restartProxy(): Promise<void> {
  const bringBack = await cloud.interruptProxy();
  for (let seen = 0; seen < 3; seen += 1) await lines.next();
  await bringBack();
}

async function restartStorage(): Promise<void> {
  await azurite.stop();
  azurite = await startAzurite({ dir, ports });
}
