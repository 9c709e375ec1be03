import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { parseConfig } from '../src/config/load.ts';
import type { Checkpoint } from '../src/drain/checkpoint.ts';
import type { CheckpointStore } from '../src/drain/ports.ts';
import { systemClock } from '../src/shared/clock.ts';
import { describeError } from '../src/shared/error.ts';
import { createHttpPool } from '../src/shared/http.ts';
import { createTableCheckpointStore } from '../src/storage/table/checkpoint-store.ts';
import { openTable } from '../src/storage/table/open-table.ts';
import { runProgram } from './program.ts';
import { githubDeliveries, orders, type SampleEvent, storageEvents } from './sample-events.ts';
import { sendSample } from './send-sample.ts';
import { type Cloud, startCloud, usualPorts } from './stack.ts';
import type { Delivery } from './webhook-sink.ts';

const stateDir = '.local';
const sendEveryMs = 2_000;
const showCheckpointsEveryMs = 10_000;
const sampleSize = 50;
/** Why everything stops, when it is not because of a signal. */
const hostEnded = 'the Functions host has ended';

/** The local stack, kept up and shown living until Ctrl-C. Exit code 1 when its host ends by itself. */
async function main({ 'no-host': noHost = false }: { readonly 'no-host'?: boolean }): Promise<number> {
  if (!existsSync('local.settings.json')) copyFileSync('local.settings.example.json', 'local.settings.json');
  const stopping = new AbortController();
  // Ctrl-C under npm comes twice, from the terminal and from npm; the second must not cut the closing short.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort());
  // Whoever reads has had enough, as `head` has.
  process.stdout.on('error', () => stopping.abort());
  const stopped = once(stopping.signal, 'abort');

  const host = noHost ? '' : ' and Functions host';
  print(`Starting token issuer, Kafka REST proxy, storage, webhook sink${host} …`);
  const cloud = await startCloud({ dir: stateDir, durable: true, ports: usualPorts });
  try {
    cloud.sink.onDelivery(printDelivery);
    const hostUrl = noHost ? `http://localhost:${usualPorts.host}` : await startWatchedHost(cloud, stopping);
    printWelcome(cloud, hostUrl, noHost ? '  (not started: func start)' : '');
    await Promise.all([
      noHost ? undefined : sendSamples(hostUrl, stopping.signal),
      showCheckpoints(cloud, stopping.signal),
      stopped,
    ]);
    print('\nStopping …');
  } catch (error) {
    // Ctrl-C reaches the host as well, and may end it before it was ready.
    if (!stopping.signal.aborted) throw error;
  } finally {
    await cloud.close();
  }
  print('Stopped. Everything is kept in .local; npm run reset removes it.');
  return stopping.signal.reason === hostEnded ? 1 : 0;
}

/** Starts the Functions host; should it end by itself, everything ends with it. */
async function startWatchedHost(cloud: Cloud, stopping: AbortController): Promise<string> {
  const host = await cloud.startHost({ port: usualPorts.host, print: printHostLine });
  host.exited.then((code) => {
    if (stopping.signal.aborted) return;
    print(`The Functions host has ended (${code === null ? 'it was killed' : `exit code ${code}`}).`);
    stopping.abort(hostEnded);
  });
  return host.url;
}

/** Sends one event of each kind, by turns, for ever. */
async function sendSamples(hostUrl: string, signal: AbortSignal): Promise<void> {
  const pool = createHttpPool({
    clock: systemClock,
    connectionsMax: 2,
    connectTimeoutMs: 5_000,
    answerBytesMax: 1_048_576,
  });
  const kinds = [orders, githubDeliveries, storageEvents];
  for (let turn = 0; !signal.aborted; turn += 1) {
    const events = kinds[turn % kinds.length]?.(sampleSize) ?? [];
    const event = events[Math.floor(turn / kinds.length) % events.length];
    if (event !== undefined) await sendOne(pool.send, hostUrl, event);
    await pause(sendEveryMs, signal);
  }
  await pool.close();
}

async function sendOne(
  send: Parameters<typeof sendSample>[0],
  hostUrl: string,
  event: SampleEvent,
): Promise<void> {
  try {
    const id = await sendSample(send, hostUrl, event);
    print(`${timeOfDay()}  in   ${event.trigger.padEnd(10)}  ${id}`);
  } catch (error) {
    print(`${timeOfDay()}  in   ${event.trigger.padEnd(10)}  not taken in: ${describeError(error)}`);
  }
}

function printDelivery({ path, webhookId, status, body }: Delivery): void {
  const type = /"type":"([^"]*)"/.exec(body)?.[1] ?? '';
  print(
    `${timeOfDay()}  out  ${path.slice(1).padEnd(10)}  ${webhookId}  ${type}  answered ${status ?? 'not'}`,
  );
}

/** What the bridge says when something does not go as it should. */
const troubles = /drain\.(endpoint|gap|halted)|(delivery|ingest|outbox)\.dead-lettered|ingest\.queued/;

/** Only what went wrong; the rest shows in the deliveries. */
function printHostLine(line: string): void {
  if (/\b(error|warning|failed)\b/i.test(line) || troubles.test(line)) print(`${timeOfDay()}  host ${line}`);
}

async function showCheckpoints(cloud: Cloud, signal: AbortSignal): Promise<void> {
  const { subscriptions, storage } = parseConfig({
    file: 'bridge.config.json',
    text: readFileSync('bridge.config.json', 'utf8'),
    settings: cloud.settings,
  });
  const store = createTableCheckpointStore(await openTable(storage, 'checkpoints'));
  while (!signal.aborted) {
    await pause(showCheckpointsEveryMs, signal);
    if (signal.aborted) return;
    try {
      printCheckpoints(await listAll(store, Object.keys(subscriptions)));
    } catch (error) {
      print(`Checkpoints cannot be read: ${describeError(error)}`);
    }
  }
}

async function listAll(store: CheckpointStore, subscriptions: readonly string[]): Promise<Checkpoint[]> {
  const lists = await Promise.all(subscriptions.map((name) => store.list(name)));
  return lists.flatMap(({ checkpoints }) => checkpoints.map(({ checkpoint }) => checkpoint));
}

function printCheckpoints(checkpoints: readonly Checkpoint[]): void {
  const rows = checkpoints.map(({ subscription, topic, partition, nextOffset, endOffset, retry }) => {
    const state =
      retry === null
        ? ''
        : `  next attempt ${new Date(retry.atMs).toISOString().slice(11, 19)}: ${retry.error}`;
    const behind = endOffset - nextOffset;
    return `  ${subscription.padEnd(12)}${`${topic}:${partition}`.padEnd(24)}${String(nextOffset).padStart(8)}${String(behind).padStart(8)}${state}`;
  });
  print(`\n  ${'checkpoint'.padEnd(36)}${'next'.padStart(8)}${'behind'.padStart(8)}\n${rows.join('\n')}\n`);
}

function printWelcome({ proxy, issuer, sink, azurite }: Cloud, hostUrl: string, hostRemark: string): void {
  print(`
Functions host    ${hostUrl}${hostRemark}
Kafka REST proxy  ${proxy.url}
Token issuer      ${issuer.url}
Webhook sink      ${sink.url}
Table Storage     http://127.0.0.1:${azurite.tables.port}
Queue Storage     http://127.0.0.1:${azurite.queues.port}

Send an order, and see it arrive at billing and archive:
  curl -i ${hostUrl}/api/events/orders -H 'content-type: application/cloudevents+json' \\
    -d '{"specversion":"1.0","id":"1","source":"/shop","type":"com.example.order.placed","subject":"customer-1","data":{"total":19.9}}'
Send plain JSON, and see it arrive at audit and archive:
  curl -i ${hostUrl}/api/events/github -H 'content-type: application/json' -d '{"repository":{"full_name":"a/b"}}'
Is everything reachable?
  curl ${hostUrl}/api/health
Let a receiver fail, see what waits and why, and let it recover:
  curl -k -X PUT '${sink.url}/control/behaviour?path=/billing' -d '{"status":503}'
  npx sluice status billing
  curl -k -X PUT '${sink.url}/control/behaviour?path=/billing' -d '{}'
Stop a subscription, let it go on, send it an event; npx sluice --help names the rest:
  npx sluice pause billing
  npx sluice resume billing
  npx sluice test-event billing
What the proxy serves:
  curl -k ${proxy.url}/openapi.json

Ctrl-C stops everything.
`);
}

async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  // Being told to stop is how a pause is meant to end.
  await systemClock.sleep(delayMs, signal).catch(() => undefined);
}

function timeOfDay(): string {
  return new Date().toTimeString().slice(0, 8);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const usage = `Runs the whole bridge on this machine, sends it samples and shows what becomes of them, until Ctrl-C.

Usage: npm start [-- --no-host]

  --no-host  leave the Functions host out: Core Tools take its place
  --help     print this

Exit code: 0 when it was stopped, 1 when it could not run or its host has ended, 2 when the command line is wrong.
`;

await runProgram({
  usage,
  options: { 'no-host': { type: 'boolean' } },
  main,
  failure: (error) => {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
    const advice = taken ? '. Another stack may be running; stop it first.' : '';
    return `The local stack could not run: ${describeError(error)}${advice}`;
  },
});
