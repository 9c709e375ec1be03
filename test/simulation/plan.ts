import { attemptsOfRun } from '../../src/config/subscriptions.ts';
import type { DrainLimits } from '../../src/drain/drain.ts';
import { type ProofPlan, planProofs } from './outside/proofs.ts';
import type { ProxyManner } from './outside/proxy.ts';
import { topics } from './outside/topics.ts';
import { batchRecordsMaxAnew } from './platform/configurations.ts';
import { inSituation } from './situations/situations.ts';
import { planSubscriptions, type SubscriptionPlan } from './subscriptions.ts';
import { createChance } from './world/chance.ts';
import { type Fault, faultRatesMax, faults } from './world/faults.ts';

/** Everything about a run that is decided before it begins. All of it comes from the seed, until it is shrunk. */
export interface Plan {
  readonly seed: number;
  /** Virtual minutes until the world heals. */
  readonly minutes: number;
  readonly instances: number;
  /** How far the clocks of instances may be wrong, in milliseconds. */
  readonly skewMs: number;
  readonly producers: number;
  /** Events that all producers send together. */
  readonly events: number;
  /** Rates; what is missing never strikes. */
  readonly faults: Readonly<Partial<Record<Fault, number>>>;
  /** Where it is given, only these strikes of faults take place. */
  readonly strikes?: ReadonlySet<string>;
  /** Where it is given, only these requests are made of those of producers and Event Grid, by their first event. */
  readonly requests?: ReadonlySet<string>;
  /** How each subscription proves itself to its endpoint; those that are not named need not. */
  readonly proofs: Readonly<Record<string, ProofPlan>>;
  readonly proxy: ProxyManner;
  /** Partitions of each topic. */
  readonly partitions: number;
  readonly ingest: IngestPlan;
  /** How drains are started: all in the timer's run, or one message a partition. */
  readonly drainMode: 'inline' | 'queue';
  readonly drain: Required<DrainLimits>;
  readonly subscriptions: readonly SubscriptionPlan[];
}

/** How the way in is configured, and what it is sent to. */
export interface IngestPlan {
  readonly ordering: 'strict' | 'relaxed';
  /** The topic is missing in the beginning, and the bridge makes it. */
  readonly createsTopic: boolean;
  readonly batchRecordsMax: number;
  readonly callsMax: number;
  readonly inFlightRequestsMax: number;
  /** Bytes of records in one call of the proxy. */
  readonly batchBytesMax: number;
  readonly outbox: OutboxPlan;
  /** For how long producers' events are recognised when they are sent again. */
  readonly recognisedSeconds: number;
  /** Producers use ids more than once: anew when they are not recognised any more, or twice in one request. */
  readonly reusesIds: boolean;
  /** Which part of the requests may hold several events. */
  readonly severalRate: number;
  /** Characters that large events carry for nothing but their size. */
  readonly paddings: readonly number[];
  /** Some requests are webhooks of a provider, or CloudEvents in binary mode. */
  readonly otherForms: boolean;
}

/** Where records wait, unless there is no such place. */
export interface OutboxPlan {
  readonly enabled: boolean;
  readonly budgetMs: number;
  readonly leaseMs: number;
}

/** How the way in is configured and used, unless a situation says otherwise. */
const usualIngest = {
  batchBytesMax: 65_536,
  outbox: { enabled: true, budgetMs: 60_000, leaseMs: 60_000 },
  recognisedSeconds: 3_600,
  reusesIds: false,
  severalRate: 0.3,
  // Compressed, which makes them sixteen times as large here: in one entity, in several chunks of one, in more than the
  // outbox takes.
  paddings: [4_100, 8_800, 28_800, 28_800, 56_500, 56_500],
  otherForms: false,
};

/** The plan of a seed: in most of them only some things go wrong, in a few nothing, in a few everything. */
export function planOf(seed: number, options: { readonly minutes?: number | undefined } = {}): Plan {
  const chance = createChance(seed, 'plan');
  const share = chance.oneOf([0, 0.15, 0.3, 0.3, 0.5, 0.5, 1]);
  const intensity = chance.oneOf([0.1, 0.3, 0.6, 1]);
  const rates: Partial<Record<Fault, number>> = {};
  for (const fault of faults) {
    // Each has a stream of its own, so that a new kind of fault leaves the plans of seeds as they were.
    const luck = createChance(seed, `rate of ${fault}`);
    const rate = faultRatesMax[fault] * intensity * (0.2 + 0.8 * luck.next());
    if (luck.happens(share)) rates[fault] = rate;
  }
  // Where metadata are stale too, nothing tells what retention took from offsets without a record.
  const isFresh = rates['proxy shows stale metadata'] === undefined;
  const readsOn = createChance(seed, 'habits of the proxy').happens(0.2) && isFresh;
  const plan: Plan = {
    seed,
    minutes: options.minutes ?? chance.integer(1, 4),
    instances: chance.integer(1, 4),
    skewMs: chance.oneOf([0, 0, 100, 1_000, 30_000]),
    producers: chance.integer(1, 4),
    events: chance.integer(5, 80),
    faults: rates,
    proofs: planProofs(seed),
    proxy: {
      outOfRange: chance.oneOf(['refused', 'failed', 'empty']),
      nextOffset: chance.happens(0.7),
      produceAnswer: chance.oneOf(['offsets', 'offsets', 'text']),
      pageForm: chance.oneOf(['object', 'array']),
      slowMsMax: 20_000,
      ...(readsOn && { outOfRange: 'earliest' }),
    },
    partitions: chance.integer(1, 3),
    drainMode: chance.oneOf(['inline', 'queue']),
    drain: {
      budgetMs: chance.oneOf([30_000, 60_000]),
      // At least twice the longest attempt, as the configuration asks.
      leaseMs: chance.oneOf([30_000, 60_000]),
      partitionsMax: chance.oneOf([1, 2, 8]),
      pageRecords: chance.oneOf([2, 7, 1_000]),
      windowRecords: chance.oneOf([2, 5, 20, 1_000]),
    },
    subscriptions: planSubscriptions(
      chance,
      [topics.orders, topics.metrics],
      createChance(seed, 'habits of subscriptions'),
    ),
    ingest: {
      ordering: chance.oneOf(['strict', 'relaxed']),
      createsTopic: chance.happens(0.2),
      batchRecordsMax: chance.oneOf([2, 5, 500]),
      callsMax: chance.integer(1, 3),
      inFlightRequestsMax: chance.oneOf([2, 100]),
      ...usualIngest,
    },
  };
  return withRoom(inSituation(plan));
}

/** Gives a run the time for as many attempts as the configuration asks for. */
function withRoom(plan: Plan): Plan {
  const anew = plan.faults['instance is configured anew'] === undefined ? 1 : batchRecordsMaxAnew;
  const budgetsMs = plan.subscriptions.map(({ form, timeoutMs }) => {
    const recordsMax = typeof form === 'string' ? 1 : form.recordsMax;
    return timeoutMs * attemptsOfRun(Math.max(recordsMax, anew));
  });
  return { ...plan, drain: { ...plan.drain, budgetMs: Math.max(plan.drain.budgetMs, ...budgetsMs) } };
}
