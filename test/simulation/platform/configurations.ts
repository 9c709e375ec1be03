import type { DrainLimits } from '../../../src/drain/drain.ts';
import type { SubscriptionPlan } from '../subscriptions.ts';
import { createChance } from '../world/chance.ts';
import type { World } from '../world/world.ts';

/** What one instance is configured with. */
export interface Configuration {
  readonly subscriptions: readonly SubscriptionPlan[];
  readonly drain: Required<DrainLimits>;
}

/** What instances are configured with: a new configuration comes with a start, while others still run the old one. */
export interface Configurations {
  /** That of an instance, which stays as long as it lives. */
  of(instance: string): Configuration;
  /** A subscription as the plan has it, and as any instance had it until now. */
  ever(subscription: string): readonly SubscriptionPlan[];
  /** The widest window that any instance had until now. */
  windowRecordsMax(): number;
}

/** Most records of a request where a configuration makes batches of what had another form. */
export const batchRecordsMaxAnew = 5;

/** Makes the configurations of a world: that of its plan, until instances start with others. */
export function createConfigurations(world: World): Configurations {
  const { plan } = world;
  const used = new Map<string, Configuration>([['', plan]]);
  const all = () => [...used.values()];
  return {
    of(instance) {
      const known = used.get(instance);
      if (known !== undefined) return known;
      const changed = world.strikes('instance is configured anew');
      const configuration = changed ? changedFor(instance) : plan;
      used.set(instance, configuration);
      return configuration;
    },
    ever: (subscription) =>
      all().flatMap(({ subscriptions }) => subscriptions.filter(({ name }) => name === subscription)),
    windowRecordsMax: () => Math.max(...all().map(({ drain }) => drain.windowRecords)),
  };

  function changedFor(instance: string): Configuration {
    const chance = createChance(plan.seed, `configuration of ${instance}`);
    return {
      drain: {
        ...plan.drain,
        pageRecords: chance.oneOf([2, 7, 1_000]),
        windowRecords: chance.oneOf([2, 5, 20, 1_000]),
      },
      subscriptions: plan.subscriptions.map((subscription) => ({
        ...subscription,
        ordering: chance.oneOf([subscription.ordering, 'key', 'partition', 'none']),
        form: chance.oneOf([
          subscription.form,
          'structured',
          {
            kind: 'batch',
            recordsMax: chance.oneOf([2, batchRecordsMaxAnew]),
            bytesMax: 1_048_576,
            lingerMs: 0,
          },
        ]),
        unwantedKey: chance.oneOf([subscription.unwantedKey, undefined, 'p0-k1', 'p0-k2']),
        maxInFlight: chance.oneOf([1, 2, 16]),
        delaysMs: chance.oneOf([subscription.delaysMs, [], [2_000, 5_000]]),
      })),
    };
  }
}
