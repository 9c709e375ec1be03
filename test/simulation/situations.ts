import type { Plan } from './plan.ts';
import type { SubscriptionPlan } from './subscriptions.ts';
import type { Chance } from './world/chance.ts';

const share = 0.2;

/** Makes of some plans one in which several things come together that chance alone brings together too rarely. */
export function inSituation(plan: Plan, chance: Chance): Plan {
  return chance.happens(share) ? chance.oneOf(situations)(plan, chance) : plan;
}

const situations: readonly ((plan: Plan, chance: Chance) => Plan)[] = [
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

function withFaults(plan: Plan, faults: Plan['faults']): Plan {
  return { ...plan, faults: { ...plan.faults, ...faults } };
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
