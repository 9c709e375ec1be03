import type { Ordering } from '../../../src/drain/lanes.ts';

/** All orderings of a subscription, in the order in which they are measured. */
export const orderings: readonly Ordering[] = ['key', 'none', 'partition'];

/** What is measured: one subscription with a topic and an endpoint of its own. */
export interface DrainCase {
  readonly ordering: Ordering;
  /** Records in one delivery at most; 1: each alone. */
  readonly batch: 1 | 100;
  /** What the endpoint takes to answer; 0: at once. */
  readonly sinkMs: 0 | 50;
  /** Deliveries under way at once for one partition. */
  readonly maxInFlight: number;
  /** Deliveries under way at once in all. */
  readonly connectionsMax: number;
}

/** What is run. */
export interface DrainPlan {
  readonly cases: readonly DrainCase[];
  readonly rounds: number;
  /** What stands in a topic when a measurement begins. */
  readonly records: number;
  /** How long each case runs before anything counts, so that all is compiled and connected. */
  readonly firstMs: number;
  /** Arrivals before this are not counted. */
  readonly warmUpMs: number;
  /** A measurement ends after this, or when all has arrived. */
  readonly measureMs: number;
  /** For how long the loop of the seed's sample runs. */
  readonly seedMs: number;
}

/** Partitions of every topic. */
export const partitionCount = 12;

/**
 * Enough at once that 50 ms of waiting leave the processors time to spare, few enough that they do: 192 single
 * records at a time come to 3,840 a second, six batches of a hundred to 12,000.
 */
const singles = { maxInFlight: 16, connectionsMax: 192 };
const batches = { maxInFlight: 1, connectionsMax: 6 };

/** Every ordering, single and batched, before an endpoint that answers at once and one that takes 50 ms. */
export function casesOf(chosen: readonly Ordering[]): DrainCase[] {
  return chosen.flatMap((ordering) =>
    ([1, 100] as const).flatMap((batch) =>
      ([0, 50] as const).map((sinkMs): DrainCase => {
        const { maxInFlight, connectionsMax } = batch === 1 ? singles : batches;
        return {
          ordering,
          batch,
          sinkMs,
          maxInFlight: ordering === 'partition' ? 1 : maxInFlight,
          connectionsMax,
        };
      }),
    ),
  );
}

/** The subscription's name and its topic's. */
export function nameOf({ ordering, batch, sinkMs }: DrainCase): string {
  return `${ordering}-${batch}-${sinkMs}`;
}

/** Where a case's deliveries go: the sink reads from the path how long its answers take. */
export function urlOf(sinkUrl: string, { sinkMs }: Pick<DrainCase, 'sinkMs'>, name: string): string {
  return `${sinkUrl}/${sinkMs}/${name}`;
}

/** The bridge's configuration for these cases, as its file holds it. */
export function bridgeConfigOf(cases: readonly DrainCase[], sinkUrl: string): string {
  const auth = {
    kind: 'clientSecret',
    tenantId: '${KAFKA_REST_TENANT_ID}',
    clientId: '${KAFKA_REST_CLIENT_ID}',
    clientSecret: '${KAFKA_REST_CLIENT_SECRET}',
    authority: '${KAFKA_REST_AUTHORITY}',
  };
  const subscriptions = cases.map((one) => {
    const { ordering, batch, maxInFlight, connectionsMax } = one;
    const subscription = {
      topics: [nameOf(one)],
      start: 'earliest',
      ordering,
      maxInFlight,
      form: batch === 1 ? 'structured' : { kind: 'batch', recordsMax: batch },
      endpoint: {
        url: urlOf(sinkUrl, one, nameOf(one)),
        allowHttp: true,
        allowPrivate: ['127.0.0.1'],
        connectionsMax,
      },
    };
    return [nameOf(one), subscription];
  });
  return JSON.stringify({
    proxy: { url: '${KAFKA_REST_URL}', auth },
    storage: { connectionString: '${AzureWebJobsStorage}' },
    // Runs are started by hand, as soon as there is something to drain.
    drain: { cron: '0 0 0 1 1 *', partitionsMax: partitionCount },
    subscriptions: Object.fromEntries(subscriptions),
  });
}
