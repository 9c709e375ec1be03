import type { Chance } from './world/chance.ts';

/** A subscription of a plan. */
export interface SubscriptionPlan {
  readonly name: string;
  readonly topics: readonly string[];
  readonly start: 'earliest' | 'latest';
  readonly ordering: 'key' | 'partition' | 'none';
  readonly form: 'structured' | 'binary' | 'raw' | BatchForm;
  /** Events of this key are not wanted. */
  readonly unwantedKey: string | undefined;
  /** Its transform breaks at events that no endpoint will ever take. */
  readonly transforms: boolean;
  readonly maxInFlight: number;
  readonly parkedMax: number;
  readonly connectionsMax: number;
  readonly ratePerSecond: number | undefined;
  readonly dataLoss: 'skip' | 'halt';
  readonly timeoutMs: number;
  /** How long its endpoint takes for an answer, on top of what networks take. */
  readonly answersAfterMs: number;
  readonly delaysMs: readonly number[];
  readonly refusedAttemptsMax: number;
  readonly breaker: {
    readonly failureRatio: number;
    readonly attemptsMin: number;
    readonly openMs: number;
    readonly openMsMax: number;
  };
}

/** A form that puts several records into a request, as the configuration has it. */
export interface BatchForm {
  readonly kind: 'batch' | 'array';
  readonly recordsMax: number;
  readonly bytesMax: number;
  readonly lingerMs: number;
}

/** The names that subscriptions of plans have. */
export const subscriptionNames = ['alpha', 'beta', 'gamma'] as const;

/** The subscriptions of a plan: each in another ordering mode, so that a run has more than one. */
export function planSubscriptions(
  chance: Chance,
  topics: readonly string[],
  habits: Chance,
): readonly SubscriptionPlan[] {
  const count = chance.integer(1, subscriptionNames.length);
  const orderings = ['key', 'partition', 'none'] as const;
  const first = chance.integer(0, orderings.length - 1);
  return subscriptionNames.slice(0, count).map((name, index) => {
    const form = formOf(chance);
    const plan: Omit<SubscriptionPlan, 'form' | 'answersAfterMs'> = {
      name,
      topics: chance.happens(0.5) ? topics.slice(0, 1) : topics,
      start: chance.oneOf(['earliest', 'earliest', 'latest']),
      ordering: orderings[(first + index) % orderings.length] ?? 'key',
      unwantedKey: chance.happens(0.3) ? 'p0-k1' : undefined,
      // An array of new data would not say which records they are made of.
      transforms: chance.happens(0.15) && (typeof form === 'string' || form.kind === 'batch'),
      maxInFlight: chance.oneOf([1, 2, 4, 16]),
      parkedMax: chance.oneOf([1, 3, 10, 1_000]),
      connectionsMax: chance.oneOf([1, 2, 64]),
      ratePerSecond: chance.happens(0.15) ? chance.integer(1, 20) : undefined,
      dataLoss: chance.oneOf(['skip', 'skip', 'halt']),
      timeoutMs: chance.oneOf([1_000, 5_000, 15_000]),
      delaysMs: chance.oneOf([[], [1_000], [500, 2_000, 10_000], [1_000, 5_000, 20_000, 60_000]]),
      refusedAttemptsMax: chance.integer(1, 3),
      breaker: {
        failureRatio: chance.oneOf([0.3, 0.5, 1]),
        attemptsMin: chance.oneOf([2, 5, 20]),
        openMs: chance.oneOf([1_000, 10_000]),
        openMsMax: 30_000,
      },
    };
    const isSlow = habits.happens(0.2);
    const answersAfterMs = isSlow ? Math.round(plan.timeoutMs * 0.5 * habits.next()) : 0;
    const isNarrow = habits.happens(0.3) && typeof form === 'object';
    return { ...plan, answersAfterMs, form: isNarrow ? { ...form, bytesMax: 1_500 } : form };
  });
}

function formOf(chance: Chance): SubscriptionPlan['form'] {
  const form = chance.oneOf([
    'structured',
    'structured',
    'binary',
    'raw',
    'batch',
    'batch',
    'array',
  ] as const);
  if (form !== 'batch' && form !== 'array') return form;
  const recordsMax = chance.oneOf([2, 5, 100]);
  return { kind: form, recordsMax, bytesMax: 1_048_576, lingerMs: chance.oneOf([0, 0, 200]) };
}
