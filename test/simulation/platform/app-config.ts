import { createConfigParser } from '../../../src/config/load.ts';
import type { BridgeConfig } from '../../../src/config/schema.ts';
import { bridgeOrigin, issuerHost, type ProofPlan } from '../outside/proofs.ts';
import { client, signingSecret } from '../outside/secrets.ts';
import { schedule, sources, stores, topics } from '../outside/topics.ts';
import type { Plan } from '../plan.ts';
import type { SubscriptionPlan } from '../subscriptions.ts';
import type { Configuration } from './configurations.ts';

/** Where the configuration of every world says that the proxy is. */
export const proxyUrl = 'https://proxy.test';

/** Bounds of the way in: as small as the bodies, which only grow where they are stored. */
export const limits = {
  bodyBytesMax: 65_536,
  eventsMax: 100,
  depthMax: 32,
  attributesBytesMax: 65_536,
  retryAfterSeconds: 5,
  inFlightBytesMax: 65_536,
};

/** No instance is frozen for longer. */
const signedSecondsMax = 86_400;

const settings = {
  CLIENT_SECRET: client.secret,
  SIGNING_SECRET: signingSecret,
  AzureWebJobsStorage: 'UseDevelopmentStorage=true',
};

const parse = createConfigParser(settings);
const read = new WeakMap<Configuration, BridgeConfig>();

/**
 * What an operator would write into bridge.config.json for a plan, as the bridge reads it.
 *
 * @throws {ConfigError} when no operator could write so.
 */
export function readConfig(plan: Plan, configuration: Configuration): BridgeConfig {
  const known = read.get(configuration);
  if (known !== undefined) return known;
  const text = JSON.stringify(fileOf(plan, configuration));
  const config = parse('bridge.config.json', text);
  read.set(configuration, config);
  return config;
}

/** The subscription whose endpoint has this URL. */
export function endpointOf(url: string): string {
  return new URL(url).hostname.split('.')[0] ?? '';
}

function fileOf(plan: Plan, { drain, subscriptions }: Configuration): object {
  const { ingest, partitions, drainMode, proofs } = plan;
  const { batchBytesMax, batchRecordsMax, callsMax, createsTopic, inFlightRequestsMax } = ingest;
  const { ordering, outbox, recognisedSeconds } = ingest;
  return {
    proxy: {
      url: proxyUrl,
      auth: { kind: 'clientSecret', tenantId: 't', clientId: 'c', clientSecret: '${CLIENT_SECRET}' },
      timeoutMs: 10_000,
      ...(createsTopic && { createTopics: { partitions, listedWithinMs: 10_000 } }),
    },
    sources: {
      [sources.orders]: { type: 'order', idempotencySeconds: recognisedSeconds },
      [sources.metrics]: { type: 'metric' },
      [sources.hooks]: {
        type: 'hook',
        idempotencySeconds: recognisedSeconds,
        auth: {
          kind: 'standardWebhooks',
          secrets: ['${SIGNING_SECRET}'],
          toleranceSeconds: signedSecondsMax,
        },
      },
    },
    routes: [
      { source: sources.orders, topic: topics.orders, key: 'subject' },
      { source: sources.hooks, topic: topics.orders, key: '/key' },
      { source: sources.metrics, topic: topics.metrics, key: '/key', value: 'raw' },
      { filter: { exact: { source: stores } }, topic: topics.orders, key: 'subject' },
      { filter: { exact: { source: `/schedules/${schedule}` } }, topic: topics.orders, key: 'subject' },
    ],
    schedules: {
      [schedule]: {
        cron: '0 * * * * *',
        missed: 'all',
        subject: schedule,
        data: { event: '{name}-{scheduledAt}' },
      },
    },
    subscriptions: Object.fromEntries(
      subscriptions.map((subscription) => [
        subscription.name,
        entryOf(subscription, proofs[subscription.name]),
      ]),
    ),
    ingest: {
      batch: { recordsMax: batchRecordsMax, bytesMax: batchBytesMax, callsMax },
      outbox: { ordering, ...outbox },
    },
    drain: { ...drain, mode: drainMode },
    limits: { ...limits, inFlightRequestsMax },
  };
}

function entryOf(plan: SubscriptionPlan, proof: ProofPlan | undefined): object {
  const { breaker, connectionsMax, delaysMs, name, ratePerSecond, refusedAttemptsMax, timeoutMs } = plan;
  const { dataLoss, form, maxInFlight, ordering, parkedMax, start, topics: read } = plan;
  return {
    topics: read,
    start,
    ordering,
    maxInFlight,
    parkedMax,
    dataLoss,
    form,
    ...(plan.unwantedKey !== undefined && { filter: { not: { exact: { subject: plan.unwantedKey } } } }),
    // The data stay as they are, unless nothing can be made of them.
    ...(plan.transforms && { transform: 'data.poison ? $error("cannot be transformed") : data' }),
    endpoint: {
      url: `https://${name}.test/hook`,
      ...(proof?.tokenSeconds !== undefined && { auth: oauthOf(name) }),
      ...(proof?.consent && { handshake: { origin: bridgeOrigin } }),
      signingSecrets: ['${SIGNING_SECRET}'],
      timeoutMs,
      connectionsMax,
      ratePerSecond,
      breaker,
    },
    retry: { delaysMs, refusedAttemptsMax },
  };
}

function oauthOf(name: string): object {
  const tokenUrl = `https://${name}.${issuerHost}/token`;
  return { kind: 'oauth2', tokenUrl, clientId: client.id, clientSecret: '${CLIENT_SECRET}' };
}
