import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { test } from 'node:test';
import { listenOnLoopback } from '../../../local/loopback.ts';
import { systemClock as clock } from '../../../src/shared/clock.ts';
import { readBody } from '../http-body.ts';
import { runLoad } from './load.ts';
import { benchTopic, startSlowProxy } from './slow-proxy.ts';
import { measure } from './stage.ts';

const fifty = { connections: 5, warmUpMs: 0, measureMs: 10_000, eventsMax: 50 };

/** A server that gives what it is sent to a proxy by `produce`, and what a load of fifty events on it comes to. */
async function measureServer(
  produce: (event: unknown, post: (records: unknown[]) => Promise<void>) => Promise<number>,
) {
  await using parts = new AsyncDisposableStack();
  const proxy = await startSlowProxy({ clock, callMs: 0, callsMax: 8 });
  parts.defer(() => proxy.close());
  const post = async (records: unknown[]) => {
    const body = JSON.stringify({ records: records.map((value) => ({ value })) });
    const answer = await fetch(`${proxy.url}/v1/producer/topics/${benchTopic}`, { method: 'POST', body });
    await answer.text();
  };
  const listener: RequestListener = async (request, response) => {
    const status = await produce(JSON.parse((await readBody(request)).toString('utf8')), post);
    response.writeHead(status, { 'content-length': 0 }).end();
  };
  const server = createServer(listener);
  const { url, close } = await listenOnLoopback(server, { host: '127.0.0.1', port: 0 });
  parts.defer(close);
  return await measure(runLoad, { url, proxyUrl: proxy.url }, fifty);
}

test('events that are acknowledged and at the proxy give figures', async () => {
  const result = await measureServer(async (event, post) => {
    await post([event]);
    return 202;
  });
  assert.deepEqual(result.acknowledged, { events: 50, idSum: (50 * 51) / 2 });
  assert.ok(result.eventsPerSecond > 0);
  assert.ok(result.p50Ms > 0 && result.p50Ms <= result.p99Ms);
});

test('a server that acknowledges what it does not produce gets no figures', async () => {
  let seen = 0;
  const forgetful = measureServer(async (event, post) => {
    seen += 1;
    if (seen !== 7) await post([event]);
    return 202;
  });
  await assert.rejects(forgetful, { code: 'bench.miscounted' });
});

test('a duplicate does not make up for a loss', async () => {
  let seen = 0;
  const confused = measureServer(async (event, post) => {
    seen += 1;
    if (seen === 7) return 202;
    await post(seen === 8 ? [event, event] : [event]);
    return 202;
  });
  await assert.rejects(confused, { code: 'bench.miscounted' });
});

test('a refused event ends the measuring, with what the server said', async () => {
  await assert.rejects(
    measureServer(async () => 503),
    { code: 'bench.not-acknowledged', message: /503/ },
  );
});
