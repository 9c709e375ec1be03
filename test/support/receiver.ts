import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { TestContext } from 'node:test';
import { listenOnLoopback } from '../../local/loopback.ts';
import {
  createDelivery,
  type DeliverySettings,
  type Endpoint,
  type PreparedRecord,
} from '../../src/delivery/deliver.ts';
import type { TopicRecord } from '../../src/events/record.ts';
import type { Resolve } from '../../src/shared/address-guard.ts';
import { type Clock, systemClock } from '../../src/shared/clock.ts';
import { createHttpPool } from '../../src/shared/http.ts';
import type { AcquireToken } from '../../src/shared/tokens.ts';

/** A request as a receiver saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Answers a request that has been read whole. */
export type AnswerRequest = (request: SeenRequest, response: ServerResponse, index: number) => void;

/** A real server on the loopback address, closed when the test ends. */
export async function startReceiver(
  t: TestContext,
  answer: AnswerRequest = (_request, response) => response.writeHead(204).end(),
  tls?: ServerOptions,
) {
  const seen: SeenRequest[] = [];
  const listener: RequestListener = async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url = '', headers } = request;
    const read = { method, path: url, headers, body: Buffer.concat(chunks).toString('utf8') };
    seen.push(read);
    answer(read, response, seen.length - 1);
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  const { url, close } = await listenOnLoopback(server, { host: '127.0.0.1', port: 0 });
  t.after(close);
  return { seen, port: Number(new URL(url).port), url: `${url}/hook` };
}

/** A record that holds a CloudEvent. */
export const eventRecord: TopicRecord = {
  topic: 'orders.v1',
  partition: 2,
  offset: 9007199254740993n,
  key: 'k',
  value: `{ "specversion":"1.0","id":"e1","source":"/shop","type":"order.created","data":{"total":9007199254740993}}`,
  timestampMs: 1_795_000_000_000n,
};

/** Opens a delivery to `url`, which may be on this machine, and closes it when the test ends. */
export async function openDelivery(
  t: TestContext,
  url: string,
  changes: Partial<Omit<DeliverySettings, 'endpoint'>> & {
    readonly endpoint?: Partial<Endpoint>;
    readonly clock?: Clock;
    readonly resolve?: Resolve;
    readonly acquireIdentity?: AcquireToken;
  } = {},
) {
  const { endpoint, clock = systemClock, resolve, acquireIdentity, ...settings } = changes;
  const delivery = await createDelivery({
    settings: {
      form: 'structured',
      retry: { delaysMs: [1_000, 2_000], refusedAttemptsMax: 3 },
      ...settings,
      endpoint: {
        url,
        headers: {},
        auth: { kind: 'none' },
        signingSecrets: [],
        timeoutMs: 5_000,
        handshake: false,
        allowPrivate: ['127.0.0.1'],
        allowHttp: true,
        connectionsMax: 4,
        ...endpoint,
      },
    },
    clock,
    random: () => 1,
    openPool: createHttpPool,
    acquireIdentity: () => acquireIdentity ?? (() => Promise.reject(new Error('there is no identity'))),
    ...(resolve && { resolve }),
  });
  t.after(() => delivery.close());
  const prepare = async (record: TopicRecord = eventRecord): Promise<PreparedRecord> => {
    const preparation = await delivery.prepare(record);
    if (preparation.kind !== 'ready') throw new Error(`not ready: ${JSON.stringify(preparation)}`);
    return preparation.prepared;
  };
  return {
    delivery,
    prepare,
    /** Prepares records and sends them in one attempt. */
    async send(...records: TopicRecord[]) {
      const prepared = await Promise.all((records.length === 0 ? [eventRecord] : records).map(prepare));
      return delivery.attempt(prepared, 0);
    },
  };
}
