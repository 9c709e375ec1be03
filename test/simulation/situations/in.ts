import { oneOf, type Situation, withFaults } from './situation.ts';

/** Of the way in. */
export const situationsIn: readonly Situation[] = [
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
    events: chance.oneOf([120, 240]),
    instances: 3,
    skewMs: 3_000,
    proxy: { ...plan.proxy, slowMsMax: 8_000 },
    subscriptions: plan.subscriptions.map((subscription) => ({ ...subscription, answersAfterMs: 0 })),
    ingest: {
      ...plan.ingest,
      ordering: 'strict',
      createsTopic: false,
      batchBytesMax: 700,
      outbox: { enabled: true, budgetMs: chance.oneOf([50_000, 120_000]), leaseMs: 45_000 },
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
      events: 90,
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
    ...withFaults(plan, { 'event is large': 0.8, 'proxy is away': 4 }),
    events: 50,
    subscriptions: oneOf(plan),
    ingest: {
      ...plan.ingest,
      ordering: 'strict',
      batchRecordsMax: 500,
      callsMax: 1,
      severalRate: 0.9,
      paddings: [28_800, 28_800, 28_800, 56_500],
    },
  }),
  /** Single records fail again and again, and nothing leaves it open whether one was written. */
  (plan) => ({
    ...plan,
    faults: { 'proxy fails single records': 0.3, 'proxy is away': 1 },
    events: 120,
    skewMs: 0,
    ingest: { ...plan.ingest, callsMax: 1 },
  }),
  /** Operators redrive what the way in has given up. */
  (plan) => ({
    ...withFaults(plan, {
      'operator redrives the way in': 2,
      'event is large': 0.05,
      'event is never produced': 0.1,
      'tables throttle': 0.15,
      'proxy is away': 2,
      'topic is away': 1,
    }),
    subscriptions: oneOf(plan),
    ingest: { ...plan.ingest, createsTopic: false, paddings: [56_500] },
  }),
];
