/**
 * The least that could be in the bridge's place: parses the JSON of a request, makes one producer call for it
 * through the pool that the bridge uses, and answers 202 after the proxy's 200. No routing, no checks, no tokens.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { listenOnLoopback } from '../../../local/loopback.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { createHttpPool } from '../../../src/shared/http.ts';
import { reportReady } from '../child.ts';
import { readBody } from '../http-body.ts';
import { benchTopic } from '../ingest/slow-proxy.ts';

const file = 'test/bench/apps/bridge/bridge.config.json';
const { proxy } = parseConfig({ file, text: readFileSync(file, 'utf8'), settings: process.env });
const pool = createHttpPool({
  clock: systemClock,
  connectionsMax: proxy.connectionsMax,
  connectTimeoutMs: 5_000,
  answerBytesMax: 1_048_576,
});

const server = createServer(async (request, response) => {
  const event: unknown = JSON.parse((await readBody(request)).toString('utf8'));
  const { status } = await pool.send({
    method: 'POST',
    url: `${proxy.url}/v1/producer/topics/${benchTopic}`,
    headers: { accept: 'application/json', 'content-type': 'application/json' },
    body: JSON.stringify({ records: [{ value: event }] }),
    timeoutMs: proxy.timeoutMs,
  });
  response.writeHead(status === 200 ? 202 : 502, { 'content-length': 0 });
  response.end();
});
const { url } = await listenOnLoopback(server, { host: '127.0.0.1', port: 0 });
reportReady(url);
