import type { Checkpoint } from '../drain/checkpoint.ts';
import type { PartitionBounds } from '../drain/ports.ts';
import { forEachLimited } from '../shared/concurrency.ts';
import { describeError } from '../shared/error.ts';
import { type EndpointView, viewEndpoint } from './endpoint-control.ts';
import { type Noting, type PartitionStatus, viewPartition } from './partition-status.ts';
import type { OperateOptions } from './ports.ts';

/** Everything an operator wants to see at once. Offsets are decimal strings, times RFC 3339. */
export interface Status {
  readonly at: string;
  readonly subscriptions: readonly SubscriptionStatus[];
  /** Open dead letters by origin; origins without any are left out. Null: they could not be looked at. */
  readonly deadLetters: readonly DeadLettersStatus[] | null;
  /** Topics whose records wait to be produced. Null: they could not be looked at. */
  readonly outbox: readonly OutboxStatus[] | null;
  /** What could not be looked at, so that the rest is shown all the same. */
  readonly problems: readonly string[];
}

/** Where one subscription stands. */
export interface SubscriptionStatus {
  readonly name: string;
  readonly endpoint: EndpointView;
  readonly lagRecords: number;
  /** How old the oldest record is that waits; null when none does, or nobody knows. */
  readonly lagMs: number | null;
  readonly parked: number;
  readonly perMinute: number | null;
  readonly partitions: readonly PartitionStatus[];
}

/** Open dead letters of one origin. */
export interface DeadLettersStatus {
  readonly origin: string;
  readonly open: number;
  /** There are others beyond the bound of counting. */
  readonly more: boolean;
}

/** What waits in the outbox for one topic. */
export interface OutboxStatus {
  readonly topic: string;
  /** Of the oldest batches; `more`: there are others behind them. */
  readonly batches: number;
  readonly records: number;
  readonly more: boolean;
  /** Of the batches counted: the most attempts, and the last error of that one. */
  readonly attempts: number;
  readonly error: string;
}

const callsMax = 8;
const countedLettersMax = 1_000;
/** Each is up to 900 kB, and read whole. */
const countedBatchesMax = 8;

/** Undefined: Kafka has no such topic. A topic of which nobody knows is left out. */
type Topics = ReadonlyMap<string, readonly PartitionBounds[] | undefined>;

/**
 * Looks at everything once: a metadata call a topic, a query a subscription, a consumer call for each partition that
 * lags, and one bounded query for each origin of dead letters and each topic of the outbox. It writes nothing.
 */
export async function readStatus(options: OperateOptions): Promise<Status> {
  const problems: string[] = [];
  const noting: Noting = async (what, work) => {
    try {
      await work();
    } catch (error) {
      problems.push(`${what}: ${describeError(error)}`);
    }
  };
  const topics = await readTopics(options, noting);
  for (const [topic, partitions] of topics) {
    if (partitions === undefined) problems.push(`topic ${topic}: Kafka has no such topic (yet)`);
  }
  const subscriptions: SubscriptionStatus[] = [];
  await forEachLimited([...options.subscriptions.keys()], callsMax, (name) =>
    noting(`subscription ${name}`, async () => {
      subscriptions.push(await readSubscription(options, name, topics, noting));
    }),
  );
  let deadLetters: Status['deadLetters'] = null;
  let outbox: Status['outbox'] = null;
  await noting('dead letters', async () => {
    deadLetters = await countDeadLetters(options);
  });
  await noting('outbox', async () => {
    outbox = await readOutbox(options);
  });
  const order = [...options.subscriptions.keys()];
  return {
    at: new Date(options.clock.now()).toISOString(),
    subscriptions: subscriptions.sort((one, two) => order.indexOf(one.name) - order.indexOf(two.name)),
    deadLetters,
    outbox,
    problems,
  };
}

async function readTopics({ subscriptions, log }: OperateOptions, noting: Noting): Promise<Topics> {
  const names = new Set([...subscriptions.values()].flatMap(({ topics }) => topics));
  const bounds = new Map<string, readonly PartitionBounds[] | undefined>();
  await forEachLimited([...names], callsMax, (topic) =>
    noting(`topic ${topic}`, async () => {
      bounds.set(topic, await log.partitions(topic));
    }),
  );
  return bounds;
}

async function readSubscription(
  options: OperateOptions,
  name: string,
  topics: Topics,
  noting: Noting,
): Promise<SubscriptionStatus> {
  const { checkpoints, endpoint } = await options.checkpoints.list(name);
  const read = options.subscriptions.get(name)?.topics ?? [];
  const all = checkpoints.map(({ checkpoint }) => checkpoint);
  const unread = all.filter((one) => !read.includes(one.topic) && mayHoldParked(one));
  const shown = [...new Set([...read, ...unread.map(({ topic }) => topic)])];
  const partitions: PartitionStatus[] = [];
  for (const topic of shown) {
    const isRead = read.includes(topic);
    const known = (isRead ? all : unread).filter((one) => one.topic === topic);
    await forEachLimited(placesOf(known, topics.get(topic)), callsMax, async (place) => {
      const missing = topics.has(topic) && place.bounds === undefined;
      const seen = { subscription: name, topic, missing, unread: !isRead, ...place };
      partitions.push(await viewPartition(options, seen, noting));
    });
  }
  const rank = ({ topic }: PartitionStatus) => shown.indexOf(topic);
  partitions.sort((one, two) => rank(one) - rank(two) || one.partition - two.partition);
  return {
    name,
    endpoint: viewEndpoint(endpoint?.endpoint),
    lagRecords: sum(partitions.map(({ lagRecords }) => lagRecords)),
    lagMs: mostOf(partitions.map(({ lagMs }) => lagMs)),
    parked: sum(partitions.map(({ parked }) => parked.count)),
    perMinute: sumKnown(partitions.map(({ perMinute }) => perMinute)),
    partitions,
  };
}

/** Whoever died with the lease may have parked more than the checkpoint tells. */
function mayHoldParked({ parked, lease }: Checkpoint): boolean {
  return parked.count > 0 || lease !== null;
}

/** Partitions that have a checkpoint, bounds, or both. */
function placesOf(
  checkpoints: readonly Checkpoint[],
  bounds: readonly PartitionBounds[] = [],
): { partition: number; checkpoint: Checkpoint | undefined; bounds: PartitionBounds | undefined }[] {
  const numbers = new Set([...checkpoints, ...bounds].map(({ partition }) => partition));
  return [...numbers].map((partition) => ({
    partition,
    checkpoint: checkpoints.find((one) => one.partition === partition),
    bounds: bounds.find((one) => one.partition === partition),
  }));
}

async function countDeadLetters({ deadLetters }: OperateOptions): Promise<readonly DeadLettersStatus[]> {
  const counts: DeadLettersStatus[] = [];
  await forEachLimited(await deadLetters.origins(), callsMax, async (origin) => {
    const entries = await deadLetters.list(origin, { max: countedLettersMax + 1, state: 'open' });
    if (entries.length === 0) return;
    const more = entries.length > countedLettersMax;
    counts.push({ origin, open: Math.min(entries.length, countedLettersMax), more });
  });
  return counts.sort((one, two) => (one.origin < two.origin ? -1 : 1));
}

async function readOutbox({ outbox }: OperateOptions): Promise<readonly OutboxStatus[]> {
  const status: OutboxStatus[] = [];
  for (const topic of await outbox.topics()) {
    const listed = await outbox.list(topic, countedBatchesMax + 1);
    const batches = listed.slice(0, countedBatchesMax);
    const worst = batches.toSorted((one, two) => two.attempts - one.attempts)[0];
    status.push({
      topic,
      batches: batches.length,
      records: sum(batches.map(({ records }) => records.length)),
      more: listed.length > batches.length,
      attempts: worst?.attempts ?? 0,
      error: worst?.error ?? '',
    });
  }
  return status;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function mostOf(numbers: readonly (number | null)[]): number | null {
  const known = numbers.filter((number) => number !== null);
  return known.length === 0 ? null : Math.max(...known);
}

function sumKnown(numbers: readonly (number | null)[]): number | null {
  const known = numbers.filter((number) => number !== null);
  return known.length === 0 ? null : sum(known);
}
