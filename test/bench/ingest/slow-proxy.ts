import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../../src/shared/clock.ts';
import { describeError } from '../../../src/shared/error.ts';
import { readText } from '../read-text.ts';
import type { Tally } from '../tally.ts';
import { createSlots } from './slots.ts';

/** The topic that the proxy has. */
export const benchTopic = 'bench';

export interface SlowProxyOptions {
  readonly clock: Clock;
  /** Port on loopback; 0 takes a free one. */
  readonly port: number;
  /** What a produce call takes, however many records it brings. */
  readonly callMs: number;
  /** Produce calls at once; others wait, first come first served. Infinity: none waits. */
  readonly callsMax: number;
}

export interface SlowProxy {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Stands in for the Kafka REST proxy where speed is compared: just enough of its contract to be produced to, over
 * plain HTTP and without tokens, and nothing is kept but a {@link Tally}, at `GET /tally`. The records are
 * structured CloudEvents whose id is a number.
 */
export async function startSlowProxy(options: SlowProxyOptions): Promise<SlowProxy> {
  const { clock, callMs } = options;
  const slots = createSlots(options.callsMax);
  const tally = { events: 0, idSum: 0 };

  const produce = async (body: string): Promise<unknown> => {
    const { records } = JSON.parse(body) as { records: { value: { id: string } }[] };
    await slots.take();
    await clock.sleep(callMs);
    slots.free();
    const offsets = records.map(({ value }) => {
      tally.idSum += Number(value.id);
      const offset = tally.events;
      tally.events += 1;
      return { partition: 0, offset };
    });
    return { offsets };
  };
  const partition = () => ({ partition_id: 0, earliest_offset: 0, latest_offset: tally.events });
  const partitionsPath = `/v1/metadata/topics/${benchTopic}/partitions`;
  const routes = new Map<string, (body: string) => unknown>([
    [`POST /v1/producer/topics/${benchTopic}`, produce],
    ['GET /v1/metadata/topics', () => ({ topics: [benchTopic] })],
    [`GET ${partitionsPath}`, () => ({ topic: benchTopic, partitions: [partition()] })],
    [`GET ${partitionsPath}/0`, partition],
    ['GET /tally', () => tally],
  ]);

  const server = createServer(async (request, response) => {
    try {
      const route = routes.get(`${request.method} ${request.url}`);
      const body = await readText(request);
      if (route === undefined) sendJson(response, 404, { error_code: 404, message: 'nothing is here' });
      else sendJson(response, 200, await route(body));
    } catch (error) {
      sendJson(response, 400, { error_code: 400, message: describeError(error) });
    }
  });
  await once(server.listen(options.port, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}
