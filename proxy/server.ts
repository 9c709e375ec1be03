import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Clock, systemClock } from '../src/shared/clock.ts';
import { createAuthenticator, type ProxyAuth } from './auth.ts';
import { createConsume } from './consume.ts';
import { createFaultRoutes, type Faults } from './faults.ts';
import { createListener } from './listener.ts';
import type { TopicLog } from './log.ts';
import { createMetadataOperations } from './metadata.ts';
import { createOpenApiRoute } from './openapi.ts';
import { createProduce } from './produce.ts';
import { createRouter, type Route } from './routes.ts';
import { createTopicView } from './topic-view.ts';

/** What a proxy is started with. */
export interface ProxyOptions {
  /** Whoever opened it closes it, after the proxy. */
  readonly log: TopicLog;
  readonly clock: Clock;
  /** Default: localhost. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** PEM texts; without them the proxy speaks plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Without it everyone may do everything. */
  readonly auth?: ProxyAuth;
  /** How long a topic's creation or deletion goes unseen. Default: 0. */
  readonly visibilityDelayMs?: number;
  /** Opens `/control/faults`. Without it there is no such path. */
  readonly faults?: Faults;
  /** Default: 16 MiB. */
  readonly requestBytesMax?: number;
  /** UTF-8 bytes of keys and values in one consumed page. Default: 6 MiB. */
  readonly pageBytesMax?: number;
}

/** A proxy that listens. */
export interface RunningProxy {
  /** Without a slash at its end. */
  readonly url: string;
  /** Stops accepting, lets calls under way finish for `closeTimeoutMs`, then cuts what is left. */
  close(): Promise<void>;
}

const closeTimeoutMs = 5_000;
const requestTimeoutMs = 60_000;
const keepAliveTimeoutMs = 60_000;
const mebibyte = 1024 * 1024;

/**
 * Serves the contract of the HDInsight Kafka REST proxy, version 1, from `log`.
 *
 * @throws when it cannot listen there, or the key or certificate is not one.
 */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const { clock, faults, auth, tls, host = 'localhost', requestBytesMax = 16 * mebibyte } = options;
  const server = tls === undefined ? createServer() : createTlsServer({ key: tls.key, cert: tls.cert });
  server.requestTimeout = requestTimeoutMs;
  server.keepAliveTimeout = keepAliveTimeoutMs;
  server.listen(options.port, host);
  await once(server, 'listening');

  const { port } = server.address() as AddressInfo;
  const router = createRouter(createRoutes({ ...options, host, port }));
  const authenticator = auth === undefined ? undefined : createAuthenticator(auth, clock);
  const closing = new AbortController();
  const answers = trackAnswers(server);
  server.on(
    'request',
    createListener({ router, authenticator, faults, clock, requestBytesMax, closing: closing.signal }),
  );
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    close: async () => {
      closing.abort();
      await closeServer(server, answers);
      await authenticator?.close();
    },
  };
}

function createRoutes(options: ProxyOptions & { host: string }): Route[] {
  const { log, clock, faults, host, port, visibilityDelayMs = 0, pageBytesMax = 6 * mebibyte } = options;
  const view = createTopicView({ log, clock, visibilityDelayMs });
  const metadata = createMetadataOperations({ log, view, hostName: host, port });
  const metadataRoute = (path: string, operation: Route['operation']): Route => ({
    method: 'GET',
    path: `/v1/metadata/${path}`,
    operation,
    faultOperation: 'metadata',
  });
  return [
    metadataRoute('brokers', metadata.listBrokers),
    metadataRoute('topics', metadata.listTopics),
    metadataRoute('topics/{topic}/partitions', metadata.listPartitions),
    metadataRoute('topics/{topic}/partitions/{partition}', metadata.getPartition),
    {
      method: 'PUT',
      path: '/v1/topics/{topic}',
      operation: metadata.createTopic,
      faultOperation: 'createTopic',
    },
    {
      method: 'POST',
      path: '/v1/producer/topics/{topic}',
      operation: createProduce({ log, view }),
      faultOperation: 'produce',
    },
    {
      method: 'GET',
      path: '/v1/consumer/topics/{topic}/partitions/{partition}/offsets/{offset}',
      operation: createConsume({ log, view, pageBytesMax }),
      faultOperation: 'consume',
    },
    createOpenApiRoute({ hasControl: faults !== undefined }),
    ...(faults === undefined ? [] : createFaultRoutes(faults)),
  ];
}

/** Keeps account of the answers not yet sent, so that closing can wait for these and for nothing else. */
function trackAnswers(server: Server): { allSent(): Promise<unknown> } {
  const underWay = new Set<ServerResponse>();
  server.on('request', (_request, response) => {
    underWay.add(response);
    response.once('close', () => underWay.delete(response));
  });
  return {
    allSent: () =>
      Promise.all([...underWay].map((response) => new Promise((resolve) => response.once('close', resolve)))),
  };
}

async function closeServer(server: Server, answers: { allSent(): Promise<unknown> }): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  const sent = new AbortController();
  // The machine's clock, as this waits for other machines: a clock driven by hand would never end it.
  const timeout = systemClock.sleep(closeTimeoutMs, sent.signal).catch(() => undefined);
  await Promise.race([answers.allSent(), timeout]);
  sent.abort();
  // A connection that has never carried a request does not count as idle, and would hold the server open.
  server.closeAllConnections();
  await closed;
}
