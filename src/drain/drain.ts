import type { DeadLetterStore } from '../events/dead-letter.ts';
import { assert } from '../shared/assert.ts';
import type { Clock } from '../shared/clock.ts';
import { forEachLimited } from '../shared/concurrency.ts';
import type { Log } from '../shared/log.ts';
import type { Telemetry } from '../shared/telemetry.ts';
import { Failures } from './failures.ts';
import { type EndpointLimits, Gate } from './gate.ts';
import { isWorkable, planWork, type Work } from './plan.ts';
import type { CheckpointStore, ParkedStore, PartitionPlace, RecordLog, StoredCheckpoint } from './ports.ts';
import { type WalkResult, type WalkRules, walkPartition } from './walk.ts';
import type { WorkItem } from './work-item.ts';

/** A subscription as the drain sees it. */
export interface Subscription extends WalkRules {
  readonly name: string;
  readonly topics: readonly string[];
  /** Where a partition that has no checkpoint is begun. */
  readonly start: 'earliest' | 'latest';
  readonly limits: EndpointLimits;
}

/** What the drain needs as long as the instance lives. */
export interface DrainOptions {
  readonly subscriptions: readonly Subscription[];
  readonly log: RecordLog;
  readonly checkpoints: CheckpointStore;
  readonly parked: ParkedStore;
  readonly deadLetters: DeadLetterStore;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly limits: DrainLimits;
}

/** The bounds of a run, and of what one partition takes in it. */
export interface DrainLimits {
  /** A run ends in time before this many milliseconds have passed. */
  readonly budgetMs: number;
  /** How long a lease lasts unless it is renewed, in milliseconds. */
  readonly leaseMs: number;
  /** Partitions walked at once. */
  readonly partitionsMax: number;
  /** Most records asked for in one read. */
  readonly pageRecords: number;
  /**
   * Records of one partition that may be under way or finished without being stored so: what a crash repeats. Without
   * it, twice what a subscription may have under way, within bounds.
   */
  readonly windowRecords?: number;
}

/** What one run needs. */
export interface RunContext {
  /** Names this run; no two runs share one. */
  readonly owner: string;
  readonly report: Log;
}

/** What a run came to. */
export interface DrainSummary {
  readonly walked: number;
  readonly delivered: number;
}

/** What walking one partition came to; `nothing-to-do`: it was not due, not free, or is not known. */
export interface ItemResult extends Omit<WalkResult, 'end' | 'stored'> {
  readonly end: WalkResult['end'] | 'nothing-to-do';
}

/** The way out. A timer is a hint, not a lock: whatever runs twice or late finds nothing to do, or a held lease. */
export interface Drain {
  /**
   * One run over everything: plans, then walks each partition that has something new and is free. Without news it
   * writes nothing.
   *
   * @throws {AggregateError} when topics, checkpoints or partitions could not be read or written; the others are
   *   drained all the same.
   */
  run(context: RunContext): Promise<DrainSummary>;
  /** Which partitions have something to do now. @throws {AggregateError} like `run`, but only when none was found. */
  plan(context: RunContext): Promise<WorkItem[]>;
  /** Walks one partition if it is due and free. @throws what the log or a store throws. */
  walk(item: WorkItem, context: RunContext): Promise<ItemResult>;
}

/** How long a partition that has more to do is walked before others get their turn. */
const turnMs = 15_000;

/** Bounds of a window that is not configured. */
const windowRecordsMin = 1_000;
const windowRecordsMax = 100_000;

const nothingToDo: ItemResult = {
  end: 'nothing-to-do',
  delivered: 0,
  filtered: 0,
  parked: 0,
  deadLettered: 0,
};

/** Makes the drain of an instance: one gate a subscription, which lives as long. */
export function createDrain(options: DrainOptions): Drain {
  const gates = new Map(
    options.subscriptions.map((subscription) => [subscription, gateFor(options, subscription)]),
  );
  const gateOf = (subscription: Subscription) => {
    const gate = gates.get(subscription);
    assert(gate !== undefined, 'every subscription of the drain has its gate');
    return gate;
  };
  const planFor = (failures: Failures, { report }: RunContext) =>
    planWork({ ...options, gateOf, failures, report, concurrency: options.limits.partitionsMax });
  const walk = (work: Work, context: RunContext, times: { deadlineMs: number; turnMs: number }) =>
    walkAndLog(options, gateOf(work.subscription), work, { ...context, ...times });

  // Not from 0, or the first run of every instance would begin with the same partition.
  let runs = options.clock.now();

  return {
    async run(context) {
      const deadlineMs = options.clock.now() + options.limits.budgetMs;
      const failures = new Failures(context.report);
      runs += 1;
      // Each run begins elsewhere, so that no partition starves where time ends before all had their turn.
      const work = rotated(await planFor(failures, context), runs);
      const walked = work.length;
      let delivered = 0;
      // A walk whose turn is over goes to the end of the line, so that no partition starves behind a busy one.
      await forEachLimited(work, options.limits.partitionsMax, (item) =>
        failures.catch('drain.walk-failed', placeOf(item), async () => {
          const result = await walk(item, context, { deadlineMs, turnMs });
          delivered += result.delivered;
          if (result.end === 'turn-over' && result.stored) work.push(again(item, result.stored));
        }),
      );
      failures.throwAny();
      return { walked, delivered };
    },

    async plan(context) {
      const failures = new Failures(context.report);
      const work = await planFor(failures, context);
      if (work.length === 0) failures.throwAny();
      return work.map(placeOf);
    },

    async walk(item, context) {
      const subscription = options.subscriptions.find(({ name }) => name === item.subscription);
      const stored = subscription && (await options.checkpoints.read(item));
      if (subscription === undefined || stored === undefined) return nothingToDo;
      const bounds = await options.log.partition(item.topic, item.partition);
      const nowMs = options.clock.now();
      if (!isWorkable(subscription, stored.checkpoint, bounds?.latestOffset, nowMs)) return nothingToDo;
      // It has the invocation for itself: its turn is the whole budget.
      const { budgetMs } = options.limits;
      return walk({ subscription, stored, bounds }, context, {
        deadlineMs: nowMs + budgetMs,
        turnMs: budgetMs,
      });
    },
  };
}

function gateFor({ checkpoints, clock }: DrainOptions, subscription: Subscription): Gate {
  const { name, limits, attemptMs, delivery } = subscription;
  return new Gate({
    subscription: name,
    limits,
    attemptMs,
    allowedPerSecond: () => delivery.allowedPerSecond?.(),
    checkpoints,
    clock,
  });
}

async function walkAndLog(
  options: DrainOptions,
  gate: Gate,
  { subscription, stored, bounds }: Work,
  run: RunContext & { readonly deadlineMs: number; readonly turnMs: number },
): Promise<WalkResult> {
  const { clock, limits } = options;
  const place = placeOf({ subscription, stored });
  const startedAtMs = clock.now();
  // A lease must outlast an attempt by so much that it can be renewed meanwhile.
  const leaseMs = Math.max(limits.leaseMs, subscription.attemptMs * 2);
  const result = await walkPartition({
    ...options,
    ...limits,
    ...run,
    place,
    rules: subscription,
    gate,
    stored,
    bounds,
    leaseMs,
    windowRecords: limits.windowRecords ?? windowRecordsOf(subscription),
  });
  const { end, delivered, filtered, parked, deadLettered } = result;
  const durationMs = clock.now() - startedAtMs;
  run.report.info('drain.walked', { ...place, end, delivered, filtered, parked, deadLettered, durationMs });
  return result;
}

function rotated(work: readonly Work[], by: number): Work[] {
  const first = work.length === 0 ? 0 : by % work.length;
  return [...work.slice(first), ...work.slice(0, first)];
}

/** While one half of it is under way, the other may wait to be stored. */
function windowRecordsOf({ ordering, maxInFlight, delivery }: Subscription): number {
  const requests = ordering === 'partition' ? 1 : maxInFlight;
  const windowRecords = 2 * requests * delivery.batch.recordsMax;
  return Math.min(Math.max(windowRecords, windowRecordsMin), windowRecordsMax);
}

/** A walk may have read beyond the end that the plan has seen. */
function again({ subscription, bounds }: Work, stored: StoredCheckpoint): Work {
  if (bounds === undefined) return { subscription, stored, bounds };
  const { endOffset } = stored.checkpoint;
  const latestOffset = endOffset > bounds.latestOffset ? endOffset : bounds.latestOffset;
  return { subscription, stored, bounds: { ...bounds, latestOffset } };
}

function placeOf({ subscription, stored }: Pick<Work, 'subscription' | 'stored'>): PartitionPlace {
  const { topic, partition } = stored.checkpoint;
  return { subscription: subscription.name, topic, partition };
}
