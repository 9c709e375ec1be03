import { obscuring } from '../work/seeks.ts';
import { faults } from '../world/faults.ts';
import { type Situation, slow, withFaults } from './situation.ts';

const ofTables = faults.filter((fault) => fault.startsWith('tables '));

const limitedConsent = { tokenSeconds: undefined, consent: { perMinute: 60 } } as const;

/** Of those who handle the bridge. */
export const situationsOfOperators: readonly Situation[] = [
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
    events: 60,
    proofs: { ...plan.proofs, ...(chance.happens(0.6) && { alpha: limitedConsent }) },
    subscriptions: plan.subscriptions.map((subscription) => ({
      ...subscription,
      refusedAttemptsMax: 1,
      ratePerSecond: chance.oneOf([undefined, 1, 3]),
    })),
  }),
  /** Parts of topics are replayed to other targets. */
  (plan, chance) => ({
    ...withFaults(plan, { 'operator replays': 4 }, chance.happens(0.7) ? obscuring : []),
    events: 60,
  }),
];
