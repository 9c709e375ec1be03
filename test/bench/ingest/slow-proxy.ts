import { createServer } from 'node:http';
import { type LoopbackServer, listenOnLoopback } from '../../../local/loopback.ts';
import type { Clock } from '../../../src/shared/clock.ts';
import { describeError } from '../../../src/shared/error.ts';
import { readBody, sendJson } from '../http-body.ts';
import type { Tally } from '../tally.ts';
import { createSlots } from './slots.ts';

/** The topic that the proxy has. */
export const benchTopic = 'bench';

/** How the proxy behaves. */
export interface SlowProxyOptions {
  readonly clock: Clock;
  /** What a produce call takes, however many records it brings. */
  readonly callMs: number;
  /** Produce calls at once; others wait, first come first served. Infinity: none waits. */
  readonly callsMax: number;
}

/**
 * Stands in for the Kafka REST proxy where speed is compared: just enough of its contract to be produced to, over
 * plain HTTP and without tokens, and nothing is kept but a {@link Tally}, at `GET /tally`. The records are
 * structured CloudEvents whose id is a number.
 */
export async function startSlowProxy(options: SlowProxyOptions): Promise<LoopbackServer> {
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
      const body = (await readBody(request)).toString('utf8');
      if (route === undefined) sendJson(response, 404, { error_code: 404, message: 'nothing is here' });
      else sendJson(response, 200, await route(body));
    } catch (error) {
      sendJson(response, 400, { error_code: 400, message: describeError(error) });
    }
  });
  return listenOnLoopback(server, { host: '127.0.0.1', port: 0 });
}
