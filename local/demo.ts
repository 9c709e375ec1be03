import { rm } from 'node:fs/promises';
import { z } from 'zod';
import { systemClock } from '../src/shared/clock.ts';
import { forEachLimited } from '../src/shared/concurrency.ts';
import { describeError } from '../src/shared/error.ts';
import { createHttpPool, type HttpSend } from '../src/shared/http.ts';
import { runProgram } from './program.ts';
import {
  githubDeliveries,
  orders,
  type SampleEvent,
  scheduleDeliveredTo,
  storageEvents,
} from './sample-events.ts';
import { sendSample } from './send-sample.ts';
import { type Cloud, freePorts, startCloud } from './stack.ts';
import type { Delivery } from './webhook-sink.ts';

/** Where each event is to arrive, by its id. */
type Expected = ReadonlyMap<string, readonly string[]>;

const stateDir = '.local/demo';
const sendersMax = 8;
const scheduledEventsMin = 4;
const deliveredWithinMs = 60_000;
const eventWithId = z.object({ id: z.string() });

/**
 * The bounded demonstration: starts the whole stack on free ports, sends real events through every trigger, waits
 * until each has arrived exactly where it should, and says so. Exit code 1 when anything is missing.
 */
async function main(): Promise<number> {
  const startedAtMs = performance.now();
  await rm(stateDir, { recursive: true, force: true });
  console.log('Starting token issuer, Kafka REST proxy, storage, webhook sink and Functions host …');
  await using cloud = disposable(await startCloud({ dir: stateDir, durable: false, ports: freePorts }));
  const hostLines: string[] = [];
  const host = await cloud.startHost({ print: (line) => hostLines.push(line) });
  console.log(`Running after ${seconds(startedAtMs)}. Sending events …`);

  const expected = await sendAll(host.url, [...githubDeliveries(40), ...orders(20), ...storageEvents(20)]);
  const scheduled = await waitForSchedule(cloud);
  const all: Expected = new Map([...expected, ...scheduled.map((id) => [id, scheduleDeliveredTo] as const)]);
  console.log(
    `Sent ${all.size} events, ${scheduled.length} of them by a schedule. Waiting for their deliveries …`,
  );

  await cloud.sink
    .waitFor((deliveries) => missing(all, deliveries).length === 0, { timeoutMs: deliveredWithinMs })
    // What is missing then is counted and shown below.
    .catch(() => undefined);
  await host.stop();
  return report(cloud, all, performance.now() - startedAtMs, hostLines);
}

async function sendAll(
  hostUrl: string,
  events: readonly SampleEvent[],
): Promise<Map<string, readonly string[]>> {
  const pool = createHttpPool({
    clock: systemClock,
    connectionsMax: sendersMax,
    connectTimeoutMs: 5_000,
    answerBytesMax: 1_048_576,
  });
  const sent = new Map<string, readonly string[]>();
  const sendOne = (send: HttpSend) => async (event: SampleEvent) => {
    sent.set(await sendSample(send, hostUrl, event), event.deliveredTo);
    if (sent.size % 20 === 0) console.log(`  ${sent.size} of ${events.length} taken in`);
  };
  try {
    await forEachLimited(events, sendersMax, sendOne(pool.send));
  } finally {
    await pool.close();
  }
  return sent;
}

/** Ids of the events that the schedule has made, read from the log itself, once there are a few. */
async function waitForSchedule({ log }: Cloud): Promise<string[]> {
  const untilMs = systemClock.now() + deliveredWithinMs;
  for (;;) {
    const ids = log.allRecords('schedules').map(({ value }) => idOf(value));
    if (ids.length >= scheduledEventsMin || systemClock.now() > untilMs) return ids;
    await systemClock.sleep(100);
  }
}

function idOf(body: string): string {
  return eventWithId.parse(JSON.parse(body)).id;
}

/** Arrivals that were answered 2xx, as `id at path`. */
function arrivals(deliveries: readonly Delivery[]): string[] {
  return deliveries
    .filter(({ status }) => status !== null && status >= 200 && status < 300)
    .map(({ body, path }) => `${idOf(body)} at ${path}`);
}

function missing(expected: Expected, deliveries: readonly Delivery[]): string[] {
  const arrived = new Set(arrivals(deliveries));
  return wanted(expected).filter((arrival) => !arrived.has(arrival));
}

function wanted(expected: Expected): string[] {
  return [...expected].flatMap(([id, paths]) => paths.map((path) => `${id} at ${path}`));
}

function report({ sink }: Cloud, expected: Expected, ms: number, hostLines: readonly string[]): number {
  const deliveries = sink.deliveries();
  const lost = missing(expected, deliveries);
  const wantedHere = new Set(wanted(expected));
  const astray = arrivals(deliveries).filter(
    (arrival) => !wantedHere.has(arrival) && !arrival.includes('heartbeat-'),
  );
  const unsigned = deliveries.filter(({ signature }) => signature !== 'valid').length;

  console.log('\nSubscription  Deliveries  Signatures valid');
  for (const path of ['/audit', '/billing', '/archive']) {
    const here = sink.deliveries(path);
    const valid = here.filter(({ signature }) => signature === 'valid').length;
    console.log(
      `${path.slice(1).padEnd(14)}${String(here.length).padStart(10)}${String(valid).padStart(18)}`,
    );
  }
  for (const arrival of lost) console.log(`MISSING: ${arrival}`);
  for (const arrival of astray) console.log(`ASTRAY: ${arrival}`);
  const failed = lost.length + astray.length + unsigned > 0;
  if (failed) console.log(`\nThe Functions host said:\n${hostLines.slice(-100).join('\n')}`);

  const lostEvents = new Set(lost.map((arrival) => arrival.split(' at ')[0])).size;
  console.log(
    `\nEvery event has arrived where it should: ${failed ? 'no' : 'yes'} (${(ms / 1000).toFixed(1)} s in all)`,
  );
  const result = {
    sent: expected.size,
    delivered: expected.size - lostEvents,
    duplicates: sink.duplicates(),
    lost: lostEvents,
    ms: Math.round(ms),
  };
  console.log(JSON.stringify(result));
  return failed ? 1 : 0;
}

function seconds(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;
}

function disposable<T extends { close(): Promise<void> }>(part: T): T & AsyncDisposable {
  return Object.assign(part, { [Symbol.asyncDispose]: () => part.close() });
}

const usage = `Starts the whole stack on free ports, sends real events through every kind of trigger, waits for each where it
should arrive, and ends with one line of JSON.

Usage: npm run demo

  --help  print this

Exit code: 0 when every event has arrived, 1 when one is missing or the stack could not run, 2 when the command line
is wrong.
`;

await runProgram({
  usage,
  options: {},
  main,
  failure: (error) => `The demonstration could not run: ${describeError(error)}`,
});
