import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createFaults, type Faults } from '../proxy/faults.ts';
import { openLog, type TopicLog } from '../proxy/log.ts';
import { type RunningProxy, startProxy } from '../proxy/server.ts';
import { type Clock, systemClock } from '../src/shared/clock.ts';
import { type RunningStorage, startAzurite } from './azurite.ts';
import { ensureCertificate, type LocalCertificate } from './certificate.ts';
import { type RunningChild, startChild } from './child-process.ts';
import { type RunningTokenIssuer, startTokenIssuer } from './token-issuer.ts';
import { type RunningWebhookSink, startWebhookSink } from './webhook-sink.ts';

/** Ports of the parts; 0 takes a free one. */
export interface StackPorts {
  readonly host: number;
  readonly tables: number;
  readonly queues: number;
  readonly proxy: number;
  readonly issuer: number;
  readonly sink: number;
}

/** The ports that local.settings.example.json names. The first three are those of Core Tools and Azurite. */
export const usualPorts: StackPorts = {
  host: 7071,
  tables: 10002,
  queues: 10001,
  proxy: 9400,
  issuer: 9401,
  sink: 9402,
};
/** Free ports, for tests and demonstrations beside a running stack. */
export const freePorts: StackPorts = { host: 0, tables: 0, queues: 0, proxy: 0, issuer: 0, sink: 0 };

/** What stands in for Kafka: the proxy, and the issuer of the tokens that it wants. */
export interface KafkaCloud {
  readonly proxy: Pick<RunningProxy, 'url'>;
  /** Takes the proxy away, as a failed node does. Resolves to what brings it back at the same address. */
  interruptProxy(): Promise<() => Promise<void>>;
  readonly log: TopicLog;
  readonly faults: Faults;
  readonly issuer: RunningTokenIssuer;
  readonly certificate: LocalCertificate;
  /** App settings by which the bridge reaches all of it. */
  readonly settings: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** What stands in for Azure, running, without the Functions host. */
export interface Cloud extends KafkaCloud {
  readonly azurite: RunningStorage;
  readonly sink: RunningWebhookSink;
  /**
   * Starts a Functions host against it; several can run at once.
   *
   * @throws {SluiceError} with what it printed, when it ends before it is ready, or is not ready in time.
   */
  startHost(options: StartHostOptions): Promise<HostProcess>;
}

/** The Functions host in a process of its own, as it runs in Azure. */
export type HostProcess = Pick<RunningChild, 'url' | 'exited' | 'stop' | 'kill'>;

/** How a Functions host is started against the cloud, on the built app in the current folder. */
export interface StartHostOptions {
  /** 0, a free one, unless given. */
  readonly port?: number;
  /** App settings that win over the cloud's, which win over local.settings.json. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly enableAuth?: boolean;
  /** Takes what it prints, a line at a time. */
  readonly print?: (line: string) => void;
}

/** Where the cloud listens and keeps its state. */
export interface CloudOptions {
  /** Where everything is kept. */
  readonly dir: string;
  /** False: topics, tables and queues live in memory, and end with the processes. */
  readonly durable: boolean;
  readonly ports: StackPorts;
  readonly visibilityDelayMs?: number;
  readonly clock?: Clock;
}

/** The security group that the local proxy lets in. */
const groupId = '5105ce00-0000-4000-8000-000000000003';
const defaultVisibilityDelayMs = 500;

/**
 * Starts everything that stands in for Azure: token issuer, Kafka REST proxy, tables and queues of a storage
 * account, and a webhook sink, all over HTTPS but for storage. What was started is closed again when a later part fails.
 */
export async function startCloud(options: CloudOptions): Promise<Cloud> {
  const { dir, ports, durable, clock = systemClock } = options;
  await using parts = new AsyncDisposableStack();

  const kafka = await startKafkaCloud(options);
  parts.defer(() => kafka.close());
  const { key, cert, certPath } = kafka.certificate;
  const identity = exampleSettings();

  const sink = await startWebhookSink({
    port: ports.sink,
    tls: { key, cert },
    secrets: { '*': [identity.SINK_SECRET] },
    clock,
  });
  parts.defer(() => sink.close());

  const azurite = await startAzurite({ ports, ...(durable && { dir }) });
  parts.defer(() => azurite.stop());

  const settings = {
    ...identity,
    ...kafka.settings,
    SINK_URL: sink.url,
    AzureWebJobsStorage: azurite.connectionString,
  };
  const running = parts.move();
  return {
    ...kafka,
    azurite,
    sink,
    settings,
    startHost: async ({ port = 0, enableAuth = false, print = () => undefined, ...host }) => {
      const started = await startChild({
        script: 'local/functions-host/main.ts',
        args: [
          ...['--port', String(port), '--state', join(dir, 'host')],
          ...(enableAuth ? ['--enable-auth'] : []),
        ],
        env: { ...settings, ...host.settings, NODE_EXTRA_CA_CERTS: certPath },
        print,
      });
      running.defer(() => started.stop());
      return started;
    },
    close: () => running.disposeAsync(),
  };
}

/** Starts token issuer and Kafka REST proxy only. The other ports of `options` stay free. */
export async function startKafkaCloud(options: CloudOptions): Promise<KafkaCloud> {
  const { dir, ports, durable, clock = systemClock } = options;
  const certificate = await ensureCertificate({ dir: join(dir, 'tls'), clock });
  const tls = { key: certificate.key, cert: certificate.cert };
  const identity = exampleSettings();
  await using parts = new AsyncDisposableStack();

  const issuer = await startTokenIssuer({
    port: ports.issuer,
    tls,
    tenantId: identity.KAFKA_REST_TENANT_ID,
    clients: [
      {
        clientId: identity.KAFKA_REST_CLIENT_ID,
        clientSecret: identity.KAFKA_REST_CLIENT_SECRET,
        groups: [groupId],
      },
      stranger,
    ],
    clock,
  });
  parts.defer(() => issuer.close());

  const log = openLog({ path: durable ? join(dir, 'topics.sqlite') : ':memory:', clock });
  parts.defer(() => log.close());
  const faults = createFaults();
  const openProxy = (port: number) =>
    startProxy({
      log,
      faults,
      clock,
      port,
      tls,
      auth: { issuer: issuer.issuer, groupId, issuerCa: certificate.cert },
      visibilityDelayMs: options.visibilityDelayMs ?? defaultVisibilityDelayMs,
    });
  let proxy = await openProxy(ports.proxy);
  parts.defer(() => proxy.close());
  const { url } = proxy;

  const running = parts.move();
  return {
    proxy: { url },
    interruptProxy: async () => {
      await proxy.close();
      return async () => {
        proxy = await openProxy(Number(new URL(url).port));
      };
    },
    log,
    faults,
    issuer,
    certificate,
    settings: {
      KAFKA_REST_URL: url,
      KAFKA_REST_TENANT_ID: identity.KAFKA_REST_TENANT_ID,
      KAFKA_REST_CLIENT_ID: identity.KAFKA_REST_CLIENT_ID,
      KAFKA_REST_CLIENT_SECRET: identity.KAFKA_REST_CLIENT_SECRET,
      KAFKA_REST_AUTHORITY: issuer.authority,
    },
    close: () => running.disposeAsync(),
  };
}

/** An application that the tenant knows and the proxy's group does not. */
export const stranger = {
  clientId: '5105ce00-0000-4000-8000-000000000009',
  clientSecret: 'stranger-client-secret',
  groups: [],
};

/** Identities and secrets of the local stack: those that local.settings.example.json shows. */
export function exampleSettings() {
  const file = JSON.parse(readFileSync('local.settings.example.json', 'utf8')) as {
    Values: Record<
      'KAFKA_REST_TENANT_ID' | 'KAFKA_REST_CLIENT_ID' | 'KAFKA_REST_CLIENT_SECRET' | 'SINK_SECRET',
      string
    >;
  };
  return file.Values;
}
