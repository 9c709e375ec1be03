import { behind, otherFaultsOfTables, type Situation, slow, unhindered, withFaults } from './situation.ts';

/** Of the way out: walks, leases, losses. */
export const firstSituations: readonly Situation[] = [
  /** Topics are made anew while records of the old ones wait for their next attempt. */
  (plan) => ({
    ...withFaults(plan, { 'topic is made anew': 1, 'endpoint answers 5xx': 0.6 }, ['topic is away']),
    minutes: 4,
    partitions: 1,
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ordering: 'key',
      delaysMs: [30_000, 60_000, 60_000],
      dataLoss: 'skip',
    })),
  }),
  /** Retention takes what is not read yet, and metadata do not show it. */
  (plan, chance) => ({
    ...withFaults(plan, {
      'log moves its retention': 12,
      'proxy shows stale metadata': 0.6,
      'endpoint is away': 1,
    }),
    ...behind(plan),
    minutes: 2,
    proxy: { ...plan.proxy, outOfRange: 'empty', nextOffset: false },
    drain: { ...plan.drain, pageRecords: chance.oneOf([7, 1_000]) },
  }),
  /** Losses halt, while instances come and go, and messages come twice. */
  (plan) => {
    const late = behind(plan);
    const isFresh = plan.faults['proxy shows stale metadata'] === undefined;
    return {
      ...withFaults(plan, {
        'log moves its retention': 5,
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
    ...withFaults(plan, { 'operator pauses': 3, 'endpoint is gone': 0.1 }),
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

/** Of the way out: topics made anew, broken endpoints, large requests; one of the outbox. */
export const laterSituations: readonly Situation[] = [
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
    ...withFaults(plan, { 'tables are slow': 0.5, 'endpoint answers 5xx': 0.8 }, otherFaultsOfTables),
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ...unhindered,
      breaker: { ...subscription.breaker, failureRatio: 0.5, attemptsMin: 2 },
    })),
  }),
  /** Requests fail that are as large as may be: in some plans, where little else fails, because much comes again. */
  (plan, chance) => ({
    ...withFaults(plan, { 'endpoint is away': 3 }, ['instance is configured anew']),
    ...(chance.happens(0.9) && { faults: { 'operator seeks far': 9, 'endpoint answers 5xx': 0.4 } }),
    minutes: 2,
    events: 300,
    partitions: 1,
    producers: 4,
    drain: { ...plan.drain, pageRecords: 1_000, windowRecords: 1_000 },
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      start: 'earliest',
      ordering: 'none',
      form: { kind: 'batch', recordsMax: 100, bytesMax: 1_048_576, lingerMs: 200 },
      unwantedKey: undefined,
      delaysMs: [1_000, 5_000, 20_000, 60_000],
      parkedMax: 1_000,
      ratePerSecond: undefined,
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

/** Of attempts that go on beside others, or are taken apart, held back, or waited for. */
export const latestSituations: readonly Situation[] = [
  /** Walks freeze beyond their leases with much of them parked, and go on beside those that took over. */
  (plan) => ({
    ...withFaults(plan, {
      'instance freezes': 0.05,
      'endpoint answers 5xx': 0.4,
      'message doubles': 0.3,
      'issuer is slow': 0.3,
    }),
    minutes: 4,
    instances: 3,
    drainMode: 'queue',
    drain: { ...plan.drain, leaseMs: 30_000 },
    proofs: { ...plan.proofs, alpha: { tokenSeconds: 5, consent: undefined } },
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ordering: 'key',
      delaysMs: [500, 2_000, 10_000],
      maxInFlight: 16,
    })),
  }),
  /** Requests are taken apart, and some of the parts fail. */
  (plan, chance) => ({
    ...withFaults(plan, { 'endpoint answers 4xx': 0.4, 'endpoint answers 5xx': 0.4 }),
    partitions: 1,
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ordering: chance.oneOf(['key', 'partition']),
      form: { kind: 'batch', recordsMax: 100, bytesMax: 1_048_576, lingerMs: 200 },
      delaysMs: [500, 2_000, 10_000],
    })),
  }),
  /** Receivers say how fast they will take what is sent, or not yet. */
  (plan, chance) => ({
    ...withFaults(plan, { 'endpoint throttles': 0.3, 'receiver withholds consent': 0.4 }),
    proofs: {
      ...plan.proofs,
      alpha: { tokenSeconds: undefined, consent: { perMinute: chance.oneOf(['*', 120]) } },
    },
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      delaysMs: chance.oneOf([[], [500]]),
    })),
  }),
  /** Some attempts last while others end, and instances freeze and die meanwhile. */
  (plan) => ({
    ...withFaults(plan, { 'endpoint stalls': 0.05, 'instance freezes': 0.02, 'instance dies': 0.02 }, [
      'instance is configured anew',
    ]),
    minutes: 3,
    events: 120,
    partitions: 1,
    drain: { ...plan.drain, leaseMs: 30_000, pageRecords: 1_000, windowRecords: 5 },
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ...unhindered,
      timeoutMs: 15_000,
      answersAfterMs: 100,
    })),
  }),
];

/** Of what is gone, or fails, while much waits. */
export const waitingSituations: readonly Situation[] = [
  /** Topics come back with fewer partitions while records wait for their next attempt. */
  (plan) => ({
    ...withFaults(plan, { 'topic is away': 2, 'endpoint answers 5xx': 0.4 }),
    minutes: 3,
    partitions: 3,
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      delaysMs: [30_000, 60_000, 60_000],
    })),
  }),
  /** Endpoints fail with much to come, while it takes long to note that, and are stopped when they are probed. */
  (plan) => ({
    ...withFaults(
      plan,
      { 'tables are slow': 0.3, 'operator stops a probe': 0.5, 'endpoint answers 5xx': 0.8 },
      otherFaultsOfTables,
    ),
    minutes: 4,
    events: 90,
    partitions: 1,
    drain: { ...plan.drain, partitionsMax: 8 },
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ...unhindered,
      answersAfterMs: 300,
      delaysMs: [500, 2_000, 10_000],
      breaker: { ...subscription.breaker, failureRatio: 0.5, attemptsMin: 2, openMs: 1_000 },
    })),
  }),
  /** A receiver lets nobody in for a while, as when a key has expired, with much to come. */
  (plan) => ({
    ...withFaults(plan, { 'endpoint bars the way': 2 }, otherFaultsOfTables),
    minutes: 3,
    events: 90,
    partitions: 1,
    subscriptions: plan.subscriptions.map((subscription) => ({ ...subscription, ...unhindered })),
  }),
];
