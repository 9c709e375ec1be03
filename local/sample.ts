import { randomInt } from 'node:crypto';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { bridgeConfigSchema, type ProxyConfig } from '../src/config/schema.ts';
import type { ConsumedRecord, Partition } from '../src/kafka-rest/answers.ts';
import { createKafkaRest, type KafkaRest } from '../src/kafka-rest/client.ts';
import { acquireWith } from '../src/kafka-rest/credentials.ts';
import type { ProduceRecord, TopicSettings } from '../src/kafka-rest/requests.ts';
import { systemClock as clock, systemRandom as random } from '../src/shared/clock.ts';
import { describeError, SluiceError } from '../src/shared/error.ts';
import { createHttpPool, type HttpSend } from '../src/shared/http.ts';
import { createTokens } from '../src/shared/tokens.ts';
import { runProgram } from './program.ts';
import { freePorts, startKafkaCloud } from './stack.ts';

/*
 * The flow of Microsoft's sample for the proxy, with the bridge's own client: learn.microsoft.com, "Interact with
 * Apache Kafka clusters in Azure HDInsight using a REST proxy".
 */

const stateDir = '.local/sample';
const neededSettings = [
  'KAFKA_REST_URL',
  'KAFKA_REST_TENANT_ID',
  'KAFKA_REST_CLIENT_ID',
  'KAFKA_REST_CLIENT_SECRET',
] as const;
const authoritySetting = 'KAFKA_REST_AUTHORITY';

const partition = 0;
const pageRecords = 2;
const pagesMax = 100;
const emptyPageWaitMs = 200;
const listedWithinMs = 120_000;
const valueCharsInLineMax = 60;

const topicSettings: TopicSettings = {
  partitions: 1,
  replicationFactor: 1,
  properties: { 'retention.ms': 604_800_000, 'min.insync.replicas': '1' },
};

const server = (id: number) => ({
  'server id': id,
  'server name': `HDInsight Kafka REST proxy server ${id}`,
});
const proxyObject = (id: number) => ({ id, name: `HDInsight Kafka REST proxy ${id}` });

const samples: readonly { readonly shape: string; readonly record: ProduceRecord }[] = [
  { shape: 'a string, with a key', record: { key: 'key1', value: '**********' } },
  { shape: 'an integer, for partition 0', record: { partition: 0, value: 5 } },
  { shape: 'a floating number', record: { value: 3.14 } },
  { shape: 'an object', record: { value: { id: 1, name: 'HDInsight Kafka REST proxy' } } },
  { shape: 'a list of objects', record: { value: [1, 2, 3].map(proxyObject) } },
  {
    shape: 'a nested object',
    record: {
      value: {
        'group id': 1,
        'HDI Kafka REST': proxyObject(1),
        'HDI Kafka REST server info': { ...proxyObject(1), servers: [1, 2, 3].map(server) },
      },
    },
  },
];

async function main(): Promise<number> {
  await using running = new AsyncDisposableStack();
  const proxy = configuredProxy(process.env) ?? (await startLocalProxy(running));
  const pool = createHttpPool({
    clock,
    connectionsMax: 1,
    connectTimeoutMs: 5_000,
    answerBytesMax: 64 * 1_048_576,
  });
  running.defer(() => pool.close());

  console.log(`Kafka REST proxy: ${proxy.url}`);
  const client = await connect(proxy, pool.send);
  const topic = await createTopic(client);
  await produce(client, topic);
  await consume(client, topic);

  console.log(`\nPartitions of ${topic}`);
  for (const each of await client.listPartitions(topic)) printPartition(each);
  console.log(`\nPartition ${partition} of ${topic}`);
  printPartition(await client.getPartition(topic, partition));
  console.log('\nThe sample has run to its end.');
  return 0;
}

/** The proxy that the environment names; undefined when it names none. @throws {SluiceError} when only in part. */
function configuredProxy(env: NodeJS.ProcessEnv): ProxyConfig | undefined {
  if (![...neededSettings, authoritySetting].some((name) => env[name])) return undefined;
  const missing = neededSettings.filter((name) => !env[name]);
  if (missing.length > 0) {
    throw settingsError(`set ${missing.join(', ')} as well, or no KAFKA_REST_… setting for a local proxy`);
  }
  return readProxy(env);
}

/** Reads the settings as the bridge does from its bridge.config.json. */
function readProxy(env: NodeJS.ProcessEnv): ProxyConfig {
  const parsed = bridgeConfigSchema(env).shape.proxy.safeParse({
    url: '${KAFKA_REST_URL}',
    auth: {
      kind: 'clientSecret',
      tenantId: '${KAFKA_REST_TENANT_ID}',
      clientId: '${KAFKA_REST_CLIENT_ID}',
      clientSecret: '${KAFKA_REST_CLIENT_SECRET}',
      ...(env[authoritySetting] && { authority: '${KAFKA_REST_AUTHORITY}' }),
    },
  });
  if (parsed.success) return parsed.data;
  // Of these fields only the URLs can be wrong: url and authority.
  throw settingsError(
    parsed.error.issues
      .map(({ path, message }) => `KAFKA_REST_${String(path.at(-1)).toUpperCase()} ${message}`)
      .join('; '),
  );
}

function settingsError(message: string): SluiceError {
  return new SluiceError({ code: 'sample.settings', message, retryable: false });
}

/** Starts a proxy and a token issuer in this process, with topics in memory. */
async function startLocalProxy(running: AsyncDisposableStack): Promise<ProxyConfig> {
  console.log('No KAFKA_REST_URL is set: starting a Kafka REST proxy and a token issuer here.');
  const cloud = await startKafkaCloud({ dir: stateDir, durable: false, ports: freePorts });
  running.defer(() => cloud.close());
  setDefaultCACertificates([...getCACertificates(), cloud.certificate.cert]);
  return readProxy(cloud.settings);
}

async function connect(proxy: ProxyConfig, send: HttpSend): Promise<KafkaRest> {
  const acquire = acquireWith(proxy.auth, proxy.scope);
  const { value, expiresAtMs } = await acquire({ forceRefresh: false });
  console.log(
    `Access token: ${value.length} characters, good until ${new Date(expiresAtMs).toISOString()}, for ${proxy.scope}`,
  );
  return createKafkaRest({
    url: proxy.url,
    tokens: createTokens({ acquire, clock }),
    send,
    clock,
    random,
    timeoutMs: proxy.timeoutMs,
  });
}

async function createTopic(client: KafkaRest): Promise<string> {
  const topic = `hello_topic_${randomLetters(7)}`;
  console.log(`\nCreating the topic ${topic}`);
  await client.createTopic(topic, topicSettings);
  console.log(`  Waiting until it is listed, for ${listedWithinMs / 1000} s at most …`);
  const sinceMs = performance.now();
  await client.waitUntilListed(topic, { withinMs: listedWithinMs });
  console.log(`  Listed after ${((performance.now() - sinceMs) / 1000).toFixed(1)} s`);
  return topic;
}

async function produce(client: KafkaRest, topic: string): Promise<void> {
  console.log(`\nProducing ${samples.length} records`);
  const outcomes = await client.produce(
    topic,
    samples.map(({ record }) => record),
  );
  for (const [index, outcome] of outcomes.entries()) {
    if (!outcome.ok) throw outcome.error;
    // A proxy need not tell where it put a record.
    const { partition: place = '?', offset = '?' } = outcome;
    console.log(`  ${samples[index]?.shape.padEnd(28)}-> partition ${place}, offset ${offset}`);
  }
}

/** Follows the next offsets up to where the partition ends now; an empty page is no end. */
async function consume(client: KafkaRest, topic: string): Promise<void> {
  const { earliestOffset, latestOffset } = await client.getPartition(topic, partition);
  let offset = earliestOffset;
  for (let pages = 0; offset < latestOffset; pages += 1) {
    if (pages === pagesMax) {
      throw new Error(`${pagesMax} pages were read, but offset ${latestOffset} was not reached`);
    }
    console.log(`\nConsuming ${pageRecords} records from offset ${offset}`);
    const page = await client.consume({ topic, partition, offset, count: pageRecords });
    for (const record of page.records) printRecord(record);
    if (page.nextOffset === offset) await clock.sleep(emptyPageWaitMs);
    offset = page.nextOffset;
  }
  console.log(`\nCaught up with the producer at offset ${offset}`);
}

function printRecord(record: ConsumedRecord): void {
  const place = `partition ${record.partition}  offset ${record.offset}`;
  console.log(`  ${place}  key ${record.key ?? '(none)'}  value${readable(record.value)}`);
}

function printPartition({ partition, earliestOffset, latestOffset, leader, replicas, isr }: Partition): void {
  const at = leader === undefined ? 'none' : `broker ${leader.id} at ${leader.hostName}:${leader.port}`;
  console.log(
    `  partition ${partition}  offsets ${earliestOffset} to ${latestOffset}  leader ${at}  replicas ${replicas.length}, in sync ${isr.length}`,
  );
}

/** A value as it came back, but JSON that is too long for a line is spread over several. */
function readable(value: string | null): string {
  if (value === null) return ' (none)';
  if (value.length <= valueCharsInLineMax || !/^[[{]/.test(value)) return ` ${value}`;
  return `\n${JSON.stringify(JSON.parse(value), null, 2)}`.replaceAll('\n', '\n    ');
}

function randomLetters(count: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  return Array.from({ length: count }, () => letters.charAt(randomInt(letters.length))).join('');
}

const usage = `Walks through Microsoft's own sample for the Kafka REST proxy: makes a topic, produces six shapes of value, reads them
two at a time, shows the partitions.

Usage: npm run sample

  --help  print this

Without settings it starts a proxy here. A cluster is named by ${neededSettings.join(', ')},
and, outside the public cloud, ${authoritySetting}.
Exit code: 0 when it has run to its end, 1 when it failed, 2 when the command line is wrong.
`;

await runProgram({
  usage,
  options: {},
  main,
  failure: (error) => `The sample failed: ${describeError(error)}`,
});
