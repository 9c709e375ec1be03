import type { Plan } from '../plan.ts';
import type { SubscriptionPlan } from '../subscriptions.ts';
import type { Chance } from '../world/chance.ts';
import type { Fault } from '../world/faults.ts';

/** Makes of a plan one in which several things come together that chance alone brings together too rarely. */
export type Situation = (plan: Plan, chance: Chance) => Plan;

/** The plan's faults with others, or other rates, and without some. */
export function withFaults(plan: Plan, faults: Plan['faults'], without: readonly Fault[] = []): Plan {
  const kept = Object.entries(plan.faults).filter(([fault]) => !without.includes(fault as Fault));
  return { ...plan, faults: { ...Object.fromEntries(kept), ...faults } };
}

/** Where it is to take long until something is noted, but nothing is to keep it from being noted. */
export const otherFaultsOfTables = [
  'tables throttle',
  'tables lose answers',
  'tables write late',
  'tables are away',
] as const;

/** Where only the way in matters: what goes out is looked at, but costs time. */
export function oneOf({ subscriptions }: Plan): readonly SubscriptionPlan[] {
  return subscriptions.slice(0, 1);
}

/** Records come faster than they can go. */
export function behind({ subscriptions }: Plan): Pick<Plan, 'events' | 'partitions' | 'subscriptions'> {
  const slowed = subscriptions.map((subscription) => ({ ...subscription, ratePerSecond: 1 }));
  return { events: 120, partitions: 1, subscriptions: slowed };
}

/** Nothing but the endpoint holds back what is delivered to it, one record a request, many at once. */
export const unhindered = {
  ordering: 'none',
  form: 'structured',
  maxInFlight: 16,
  connectionsMax: 64,
  ratePerSecond: undefined,
} as const satisfies Partial<SubscriptionPlan>;

/** Each attempt takes long. */
export function slow(
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
