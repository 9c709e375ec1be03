import type { Plan } from './plan.ts';
import type { SubscriptionPlan } from './subscriptions.ts';
import { obscuring } from './work/seeks.ts';
import { type Chance, createChance } from './world/chance.ts';
import { type Fault, faults } from './world/faults.ts';

/** Makes of a plan one in which several things come together that chance alone brings together too rarely. */
type Situation = (plan: Plan, chance: Chance) => Plan;

/** Situations that were thought of together. */
interface Generation {
  /** Names its stream of chance. */
  readonly stream: string;
  /** In so many plans one of them takes place. */
  readonly share: number;
  readonly situations: readonly Situation[];
}

/** Brings some plans into a situation, now and then into one of each generation. */
export function inSituation(plan: Plan): Plan {
  return generations.reduce((before, { stream, share, situations }) => {
    const chance = createChance(plan.seed, stream);
    return chance.happens(share) ? chance.oneOf(situations)(before, chance) : before;
  }, plan);
}

const firstSituations: readonly Situation[] = [
  /** Topics are made anew while records of the old ones wait for their next attempt. */
  (plan) => ({
    ...withFaults(plan, { 'topic is made anew': 1, 'endpoint answers 5xx': 0.4 }),
    partitions: 1,
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      delaysMs: [30_000, 60_000, 60_000],
      dataLoss: 'skip',
    })),
  }),
  /** Retention takes what is not read yet, and metadata do not show it. */
  (plan, chance) => ({
    ...withFaults(plan, {
      'log moves its retention': 6,
      'proxy shows stale metadata': 0.4,
      'endpoint is away': 1,
    }),
    ...behind(plan),
    proxy: { ...plan.proxy, outOfRange: 'empty', nextOffset: false },
    drain: { ...plan.drain, pageRecords: chance.oneOf([7, 1_000]) },
  }),
  /** Losses halt, while instances come and go, and messages come twice. */
  (plan) => {
    const late = behind(plan);
    const isFresh = plan.faults['proxy shows stale metadata'] === undefined;
    return {
      ...withFaults(plan, {
        'log moves its retention': 3,
        'instance dies': 0.05,
        'message doubles': 0.3,
        'tables lose answers': 0.1,
      }),
      ...late,
      drainMode: 'queue',
      instances: 4,
      proxy: { ...plan.proxy, ...(isFresh && { outOfRange: 'earliest' }) },
      subscriptions: late.subscriptions.map((subscription) => ({ ...subscription, dataLoss: 'halt' })),
    };
  },
  /** Walks last, and are stopped on their way. */
  (plan, chance) => ({
    ...withFaults(plan, { 'operator pauses': 3, 'endpoint is gone': 0.05 }),
    ...slow(plan, chance.oneOf([1, 2])),
  }),
  /** Walks last, and leases and time run short. */
  (plan, chance) => ({
    ...withFaults(plan, { 'tables are slow': 0.5, 'instance freezes': 0.03 }),
    ...slow(plan, chance.oneOf([1, 4])),
    drain: { ...plan.drain, budgetMs: 30_000, leaseMs: 30_000 },
  }),
  /** Instances die with much under way. */
  (plan, chance) => ({
    ...withFaults(plan, { 'instance dies': 0.03, 'endpoint answers 5xx': 0.1 }),
    ...slow(plan, 16, 1_000),
    events: 120,
    drain: { ...plan.drain, windowRecords: chance.oneOf([2, 5]) },
  }),
];

const laterSituations: readonly Situation[] = [
  /** Topics are made anew, and at one offset a record of both is given up. */
  (plan) => ({
    ...withFaults(plan, { 'topic is made anew': 1, 'event is never taken': 0.6 }),
    partitions: 1,
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      form: 'structured',
      delaysMs: [],
      dataLoss: 'skip',
    })),
  }),
  /** Endpoints fail while it takes long to note that. */
  (plan) => ({
    ...withFaults(plan, { 'tables are slow': 0.5, 'endpoint answers 5xx': 0.8 }, [
      'tables throttle',
      'tables lose answers',
      'tables are away',
    ]),
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ordering: 'none',
      form: 'structured',
      maxInFlight: 16,
      connectionsMax: 64,
      ratePerSecond: undefined,
      breaker: { ...subscription.breaker, failureRatio: 0.5, attemptsMin: 2 },
    })),
  }),
  /** Requests fail that are as large as may be. */
  (plan) => ({
    ...withFaults(plan, { 'endpoint is away': 3 }, ['instance is configured anew']),
    events: 300,
    partitions: 1,
    producers: 4,
    drain: { ...plan.drain, pageRecords: 1_000, windowRecords: 1_000 },
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ordering: 'none',
      form: { kind: 'batch', recordsMax: 100, bytesMax: 1_048_576, lingerMs: 200 },
      delaysMs: [1_000, 5_000, 20_000, 60_000],
      parkedMax: 1_000,
    })),
  }),
  /** The outbox fills up, and its oldest batch waits. */
  (plan) => ({
    ...withFaults(plan, { 'proxy is away': 2, 'proxy answers 5xx': 0.3 }),
    ingest: { ...plan.ingest, ordering: 'strict' },
  }),
  /** Endpoints are stopped while attempts are under way that would change their state. */
  (plan, chance) => {
    const { events, subscriptions } = slow(plan, chance.oneOf([1, 4]));
    return {
      ...withFaults(plan, { 'operator pauses': 3, 'endpoint is gone': 0.1, 'endpoint answers 5xx': 0.5 }),
      events,
      minutes: 5,
      subscriptions: subscriptions.map((subscription) => ({
        ...subscription,
        breaker: { ...subscription.breaker, attemptsMin: 2, openMs: 1_000 },
      })),
    };
  },
];

const latestSituations: readonly Situation[] = [
  /** Walks freeze beyond their leases with much of them parked, and go on beside those that took over. */
  (plan) => ({
    ...withFaults(plan, { 'instance freezes': 0.05, 'endpoint answers 5xx': 0.4, 'message doubles': 0.3 }),
    instances: 3,
    drainMode: 'queue',
    drain: { ...plan.drain, leaseMs: 30_000 },
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ordering: 'key',
      delaysMs: [500, 2_000, 10_000],
      maxInFlight: 16,
    })),
  }),
];

const situationsIn: readonly Situation[] = [
  /** The outbox is emptied slowly, in small calls, while other flushes would like to do the same. */
  (plan, chance) => ({
    ...withFaults(plan, { 'proxy is away': 0.7, 'proxy is slow': 1, 'timer doubles': 0.3 }, [
      'proxy refuses connections',
      'proxy answers 5xx',
      'proxy throttles',
      'proxy stalls',
      'proxy loses answers',
      'proxy fails single records',
      'proxy refuses whole calls',
    ]),
    minutes: 6,
    producers: 4,
    events: chance.oneOf([120, 300]),
    instances: 3,
    skewMs: 3_000,
    proxy: { ...plan.proxy, slowMsMax: 8_000 },
    subscriptions: plan.subscriptions.map((subscription) => ({ ...subscription, answersAfterMs: 0 })),
    ingest: {
      ...plan.ingest,
      ordering: 'strict',
      createsTopic: false,
      batchBytesMax: 700,
      outbox: { enabled: true, budgetMs: 120_000, leaseMs: 45_000 },
    },
  }),
  /** There is no outbox. */
  (plan) => ({
    ...withFaults(plan, { 'proxy is away': 1, 'proxy answers 5xx': 0.15, 'proxy loses answers': 0.05 }),
    ingest: { ...plan.ingest, outbox: { ...plan.ingest.outbox, enabled: false } },
  }),
  /** What was sent is soon forgotten, and its ids are used again. */
  (plan, chance) => {
    const skewMs = chance.oneOf([0, 1_000, 30_000]);
    return {
      ...plan,
      minutes: 6,
      events: 120,
      skewMs,
      ingest: { ...plan.ingest, recognisedSeconds: 60 + (2 * skewMs) / 1_000, reusesIds: true },
    };
  },
  /** The proxy lets nobody in, or fails in other words. */
  (plan) => ({
    ...withFaults(plan, {
      'proxy forbids': 0.1,
      'proxy hides failures': 0.1,
      'proxy revokes a token': 0.05,
      'authority fails': 0.4,
    }),
  }),
  /** The outbox is in use while clocks are set. */
  (plan, chance) => ({
    ...withFaults(plan, { 'proxy is away': 2, 'clock is set': 4 }),
    instances: chance.oneOf([1, 2]),
    skewMs: 30_000,
    ingest: { ...plan.ingest, ordering: 'strict' },
  }),
  /** Events come in other forms, and in webhooks no subscription knows what it does not want. */
  (plan, chance) => ({
    ...withFaults(plan, { 'proxy is away': 1, 'proxy answers 5xx': 0.15 }, ['instance is configured anew']),
    ...(chance.happens(0.5) && { faults: { 'proxy is away': 1 } }),
    subscriptions: plan.subscriptions.map((subscription) => ({ ...subscription, unwantedKey: undefined })),
    ingest: { ...plan.ingest, otherForms: true },
  }),
  /** Much of what comes is large, and gathers in calls of which no entity of the outbox holds the records. */
  (plan) => ({
    ...withFaults(plan, { 'event is large': 0.5, 'proxy is away': 2 }),
    events: 120,
    subscriptions: oneOf(plan),
    ingest: {
      ...plan.ingest,
      ordering: 'strict',
      batchRecordsMax: 500,
      callsMax: 1,
      paddings: [460_000, 460_000, 905_000],
    },
  }),
  /** Single records fail again and again, and nothing leaves it open whether one was written. */
  (plan) => ({
    ...plan,
    faults: { 'proxy fails single records': 0.3, 'proxy is away': 1 },
    events: 200,
    skewMs: 0,
    ingest: { ...plan.ingest, callsMax: 1 },
  }),
  /** Operators redrive what the way in has given up. */
  (plan) => ({
    ...withFaults(plan, {
      'operator redrives the way in': 2,
      'event is large': 0.05,
      'event is never produced': 0.1,
      'proxy is away': 2,
      'topic is away': 1,
    }),
    subscriptions: oneOf(plan),
    ingest: { ...plan.ingest, createsTopic: false, paddings: [905_000] },
  }),
];

const ofTables = faults.filter((fault) => fault.startsWith('tables '));

const limitedConsent = { tokenSeconds: undefined, consent: { perMinute: 60 } } as const;

const situationsOfOperators: readonly Situation[] = [
  /** Somebody pauses an endpoint while it is probed. */
  (plan, chance) => {
    const { events, subscriptions } = slow(plan, 4);
    return {
      ...withFaults(plan, {
        'operator stops a probe': 0.5,
        'endpoint answers 5xx': chance.oneOf([0.3, 0.7]),
        ...(chance.happens(0.5) && { 'tables are slow': 0.4 }),
      }),
      events,
      minutes: 5,
      subscriptions: subscriptions.map((subscription) => ({
        ...subscription,
        delaysMs: [500, 2_000, 10_000],
        breaker: { ...subscription.breaker, failureRatio: 0.5, attemptsMin: 2, openMs: 1_000 },
      })),
    };
  },
  /** Somebody seeks while partitions are walked, and in all of them at once. */
  (plan, chance) => ({
    ...withFaults(
      plan,
      { 'operator seeks in a walk': 0.3, 'operator seeks far': 3, 'endpoint answers 5xx': 0.3 },
      chance.happens(0.5) ? obscuring : [],
    ),
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      delaysMs: [1_000, 5_000],
      answersAfterMs: chance.oneOf([0, 500]),
    })),
  }),
  /** Much is given up, and several operators try it again or discard it. */
  (plan, chance) => ({
    ...withFaults(
      plan,
      {
        'operator redrives': 5,
        'operators redrive at once': 0.5,
        'operator discards': 0.5,
        'endpoint answers 4xx': 0.5,
        'event is large': 0.05,
      },
      chance.happens(0.5) ? ofTables : [],
    ),
    events: 120,
    proofs: { ...plan.proofs, ...(chance.happens(0.3) && { alpha: limitedConsent }) },
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      refusedAttemptsMax: 1,
      ratePerSecond: chance.oneOf([undefined, 1, 3]),
    })),
  }),
  /** Parts of topics are replayed to other targets. */
  (plan, chance) => ({
    ...withFaults(plan, { 'operator replays': 4 }, chance.happens(0.7) ? obscuring : []),
    events: 120,
  }),
];

const situationsOfStorage: readonly Situation[] = [
  /** Writes that were given up take effect later. */
  (plan, chance) => ({
    ...withFaults(plan, {
      'tables write late': chance.oneOf([0.05, 0.2]),
      'endpoint answers 5xx': 0.4,
      'event is large': 0.04,
    }),
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ordering: chance.oneOf(['key', 'none', 'partition']),
      delaysMs: [500, 2_000, 10_000],
    })),
  }),
  /** Leases are renewed while attempts wait for each other, and that takes long. */
  (plan) => ({
    ...withFaults(plan, { 'tables renew slowly': 0.4 }),
    events: 120,
    minutes: 3,
    partitions: 1,
    drain: {
      ...plan.drain,
      budgetMs: 300_000,
      leaseMs: 30_000,
      pageRecords: 1_000,
      windowRecords: 1_000,
    },
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ordering: 'none',
      form: 'structured',
      maxInFlight: 16,
      parkedMax: 1_000,
      ratePerSecond: undefined,
      connectionsMax: 1,
      timeoutMs: 15_000,
      answersAfterMs: 4_000,
    })),
  }),
  /** Little may be under way, and much of it fails together. */
  (plan, chance) => ({
    ...withFaults(plan, { 'endpoint is away': 3, 'endpoint answers 5xx': 0.3 }, [
      'instance is configured anew',
      // Each of these is probed alone, again and again: that takes hours, and shows nothing more.
      'event is never taken',
    ]),
    events: 120,
    partitions: 1,
    drain: { ...plan.drain, pageRecords: 1_000, windowRecords: chance.oneOf([2, 5]) },
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ordering: chance.oneOf(['key', 'none']),
      form: { kind: 'batch', recordsMax: 100, bytesMax: 1_048_576, lingerMs: 0 },
      delaysMs: [500, 1_000, 1_000, 60_000],
      parkedMax: 1_000,
      ratePerSecond: undefined,
    })),
  }),
];

/** In the order in which they came: what is added in a new one leaves other plans as they were. */
const generations: readonly Generation[] = [
  { stream: 'situation', share: 0.2, situations: firstSituations },
  { stream: 'later situations', share: 0.15, situations: laterSituations },
  { stream: 'latest situations', share: 0.15, situations: latestSituations },
  { stream: 'situations in', share: 0.25, situations: situationsIn },
  { stream: 'situations of people', share: 0.15, situations: situationsOfOperators },
  { stream: 'situations of storage', share: 0.15, situations: situationsOfStorage },
];

function withFaults(plan: Plan, faults: Plan['faults'], without: readonly Fault[] = []): Plan {
  const kept = Object.entries(plan.faults).filter(([fault]) => !without.includes(fault as Fault));
  return { ...plan, faults: { ...Object.fromEntries(kept), ...faults } };
}

/** Where only the way in matters: what goes out is looked at, but costs time. */
function oneOf({ subscriptions }: Plan): readonly SubscriptionPlan[] {
  return subscriptions.slice(0, 1);
}

/** Records come faster than they can go. */
function behind({ subscriptions }: Plan): Pick<Plan, 'events' | 'partitions' | 'subscriptions'> {
  const slowed = subscriptions.map((subscription) => ({ ...subscription, ratePerSecond: 1 }));
  return { events: 120, partitions: 1, subscriptions: slowed };
}

/** Each attempt takes long. */
function slow(
  { subscriptions }: Plan,
  maxInFlight: number,
  answersAfterMsMax = Number.POSITIVE_INFINITY,
): { readonly events: number; readonly subscriptions: readonly SubscriptionPlan[] } {
  return {
    events: 40,
    subscriptions: subscriptions.map((subscription) => ({
      ...subscription,
      maxInFlight,
      answersAfterMs: Math.min(subscription.timeoutMs / 2, answersAfterMsMax),
    })),
  };
}
