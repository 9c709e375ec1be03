import { type Situation, withFaults } from './situation.ts';

/** Of storage that is late, and of what waits for it. */
export const situationsOfStorage: readonly Situation[] = [
  /** Writes that were given up take effect later. */
  (plan, chance) => ({
    ...withFaults(plan, {
      'tables write late': chance.oneOf([0.1, 0.3]),
      'endpoint answers 5xx': 0.4,
      'event is large': 0.04,
    }),
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ordering: chance.oneOf(['key', 'none', 'partition']),
      maxInFlight: chance.oneOf([4, 16]),
      delaysMs: [500, 2_000, 10_000],
    })),
  }),
  /** Leases are renewed while attempts wait for each other, or for a probe, and that takes long. */
  (plan, chance) => ({
    ...withFaults(plan, {
      'tables renew slowly': 0.4,
      ...(chance.happens(0.5) && { 'endpoint answers 5xx': 0.5 }),
    }),
    events: 80,
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
      breaker: { ...subscription.breaker, failureRatio: 0.5, attemptsMin: 2, openMs: 1_000 },
    })),
  }),
  /** Little may be under way, and much of it fails together. */
  (plan, chance) => ({
    ...withFaults(plan, { 'endpoint is away': 3, 'endpoint answers 5xx': 0.3 }, [
      'instance is configured anew',
      // Each of these is probed alone, again and again: that takes hours, and shows nothing more.
      'event is never taken',
    ]),
    events: 80,
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
