import { behind, oneOf, otherFaultsOfTables, type Situation, unhindered, withFaults } from './situation.ts';

/** Of what happens at once, where it matters who comes first. */
export const situationsOfRaces: readonly Situation[] = [
  /** Losses halt, and copies of messages come to instances that have looked at the endpoint just before. */
  (plan) => {
    const late = behind(plan);
    return {
      ...withFaults(plan, {
        'log moves its retention': 40,
        'message doubles': 0.9,
        'operator resumes a loss': 1,
      }),
      ...late,
      minutes: 2,
      partitions: 2,
      drainMode: 'queue',
      instances: 3,
      proxy: { ...plan.proxy, outOfRange: 'refused' },
      subscriptions: late.subscriptions.map((subscription) => ({ ...subscription, dataLoss: 'halt' })),
    };
  },
  /** Endpoints are found broken by others while the only connection is in use, and probes fail. */
  (plan) => ({
    ...withFaults(
      plan,
      {
        'endpoint answers 5xx': 0.6,
        'endpoint stalls': 0.3,
        'message doubles': 0.7,
        'tables answer a repetition': 0.1,
      },
      otherFaultsOfTables,
    ),
    minutes: 3,
    events: 60,
    partitions: 3,
    instances: 3,
    drainMode: 'queue',
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ...unhindered,
      connectionsMax: 1,
      timeoutMs: 15_000,
      delaysMs: [500, 2_000, 10_000],
      breaker: { ...subscription.breaker, failureRatio: 0.5, attemptsMin: 2, openMs: 1_000 },
    })),
  }),
  /** The outbox is emptied about as fast as it fills, by clocks that disagree, and nothing else goes wrong. */
  (plan) => ({
    ...plan,
    faults: { 'proxy answers 5xx': 0.05, 'proxy is slow': 1 },
    minutes: 2,
    producers: 6,
    events: 200,
    instances: 3,
    skewMs: 10_000,
    proxy: { ...plan.proxy, slowMsMax: 2_000 },
    subscriptions: oneOf(plan).map((subscription) => ({ ...subscription, answersAfterMs: 0 })),
    ingest: {
      ...plan.ingest,
      ordering: 'strict',
      createsTopic: false,
      outbox: { enabled: true, budgetMs: 120_000, leaseMs: 60_000 },
    },
  }),
  /** Operators follow one another through the same letters, and storage is asked again because answers were lost. */
  (plan) => ({
    ...withFaults(
      plan,
      {
        'operator redrives': 5,
        'operators redrive at once': 1,
        'endpoint answers 4xx': 0.5,
        'tables answer a repetition': 0.1,
      },
      [
        'tables are away',
        'tables lose answers',
        'tables throttle',
        'endpoint answers 5xx',
        'endpoint is away',
      ],
    ),
    events: 60,
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      ...unhindered,
      refusedAttemptsMax: 1,
      // Refusals do not break these endpoints, so that there are letters, and redrives of them.
      breaker: { ...subscription.breaker, attemptsMin: 1_000 },
    })),
  }),
];
