import type { Entity } from '../outside/tables.ts';
import type { LoggedRecord, LogPartition } from '../outside/topic-log.ts';
import { topics } from '../outside/topics.ts';
import type { Configurations } from '../platform/configurations.ts';
import type { SubscriptionPlan } from '../subscriptions.ts';
import type { SentEvent } from '../work/work.ts';
import type { InWitness } from './in.ts';

/** What the bridge says of a partition in its checkpoint, as the witness reads it. */
export interface Standing {
  readonly nextOffset: number;
  readonly finished: readonly Range[];
  readonly gaps: readonly (Range & { readonly cause: string })[];
  readonly epoch: number;
  readonly owner: string;
  readonly expiresAtMs: number;
  readonly parkedCount: number;
  /** Records are lost, and an operator is to decide. */
  readonly halted: boolean;
}

/** Offsets from `from` to just below `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** What the witness knows of one partition of one subscription. */
export interface Watch {
  readonly plan: SubscriptionPlan;
  readonly topic: string;
  readonly partition: number;
  /** How often the topic that the subscription follows had been made anew. */
  generation: number;
  /** The subscription was begun for a topic that was not there yet. */
  isAhead: boolean;
  /** Something has happened about which nothing is promised. */
  excused: boolean;
  /** Gaps of the topics before this one. */
  readonly formerGaps: number;
  /** Where the subscription began, and when. */
  start: number;
  begunMs: number;
  standing: Standing | undefined;
  /** Offsets that an endpoint took. */
  readonly taken: Set<number>;
  /** Of these, the ones that are to be taken once more, since an operator has sought back over them. */
  readonly owed: Set<number>;
  /** Offsets of whose taking an instance has heard. */
  readonly heard: Set<number>;
  /** Who has sent each offset last, when, and what its clock said then. */
  readonly sent: Map<number, { readonly caller: string; readonly sentMs: number; readonly atMs: number }>;
  /** The last epoch that each instance has claimed, and that of the last holder who opened what is parked. */
  readonly claims: Map<string, number>;
  opened: number;
  /** The run by which each instance has had the lease last, and until when, by its own clock. */
  readonly leases: Map<string, { readonly owner: string; readonly untilMs: number }>;
  /** How often the endpoint had been resumed when it was stopped for the last loss. */
  resumes: number;
  readonly letters: Set<number>;
  /** Of these, the ones that were refused. */
  readonly refused: Set<number>;
  readonly parked: Set<number>;
  /** Records that were parked when an operator sought: they come by themselves, and once more from the log. */
  readonly twice: Set<number>;
  /** Offsets that an operator skipped by seeking. */
  readonly skipped: Range[];
  /** The epoch in which an instance has heard last that an offset was taken. */
  readonly heardIn: Map<number, number>;
  /** By that epoch, the offsets that were sent again in spite of it. */
  readonly again: Map<number, Set<number>>;
  /** Records of each lane in their order, and how many of the first are settled. */
  readonly lanes: Map<string, { readonly offsets: number[]; settled: number }>;
  /** How many records of the log are in lanes, and by which order. */
  laned: number;
  lanedBy: SubscriptionPlan['ordering'] | undefined;
}

/** The witness of the way out. */
export interface OutWitness extends InWitness {
  readonly configurations: Configurations;
  readonly watches: ReadonlyMap<string, Watch>;
  /** Watches of topics that were deleted. */
  readonly former: Map<string, Watch[]>;
  /** When each run has claimed its first checkpoint, by its instance's clock. */
  readonly runs: Map<string, number>;
  /** How often each endpoint was resumed, and how often it had been when it was stopped last. */
  readonly resumes: Map<string, number>;
  readonly resumesBefore: Map<string, number>;
  /** The records that each webhook-id of a batch has stood for. */
  readonly batches: Map<string, string>;
}

/** What is known of a partition in the beginning. */
export function newWatch(plan: SubscriptionPlan, topic: string, partition: number): Watch {
  return {
    plan,
    topic,
    partition,
    generation: 0,
    isAhead: false,
    excused: false,
    formerGaps: 0,
    start: 0,
    begunMs: Number.POSITIVE_INFINITY,
    standing: undefined,
    taken: new Set(),
    owed: new Set(),
    heard: new Set(),
    sent: new Map(),
    claims: new Map(),
    opened: -1,
    leases: new Map(),
    resumes: 0,
    letters: new Set(),
    refused: new Set(),
    parked: new Set(),
    twice: new Set(),
    skipped: [],
    heardIn: new Map(),
    again: new Map(),
    lanes: new Map(),
    laned: 0,
    lanedBy: undefined,
  };
}

/** Delivered, filtered, given up, parked, or lost and recorded as such. */
export function isJustified(witness: OutWitness, watch: Watch, record: LoggedRecord): boolean {
  const { offset } = record;
  const gaps = watch.standing?.gaps.slice(watch.formerGaps) ?? [];
  const inGap = gaps.some(({ from, to }) => offset >= from && offset < to);
  return (
    (watch.taken.has(offset) && !watch.owed.has(offset)) ||
    watch.parked.has(offset) ||
    inGap ||
    isGivenUp(watch, offset) ||
    isUnwanted(witness, watch, record)
  );
}

/** Whether it is a dead letter, or the subscription never had it: from before its start, or sought over. */
export function isGivenUp(watch: Watch, offset: number): boolean {
  return (
    offset < watch.start ||
    watch.letters.has(offset) ||
    watch.skipped.some(({ from, to }) => offset >= from && offset < to)
  );
}

/** Only whole events have a subject by which they can be told. */
function isUnwanted(witness: OutWitness, { plan }: Watch, record: LoggedRecord): boolean {
  return isUnwantedBy(witness, witness.configurations.ever(plan.name), record);
}

/** Whether one of the configurations of a subscription keeps a record out. */
export function isUnwantedBy(
  witness: OutWitness,
  plans: readonly SubscriptionPlan[],
  record: LoggedRecord,
): boolean {
  if (record.topic !== topics.orders) return false;
  const key = eventOf(witness, record)?.key;
  return key !== undefined && plans.some(({ unwantedKey }) => unwantedKey === key);
}

/** Where instances disagree about the order, the weakest is promised that any of them was configured with. */
export function orderingOf({ configurations }: OutWitness, { plan }: Watch): SubscriptionPlan['ordering'] {
  const orderings = configurations.ever(plan.name).map(({ ordering }) => ordering);
  return orderings.find((each) => each === 'none') ?? orderings.find((each) => each === 'key') ?? 'partition';
}

/** Whether the filter of the plan keeps the record at an offset out. */
export function isUnwantedAt(witness: OutWitness, watch: Watch, offset: number): boolean {
  const record = partitionOf(witness, watch).records.find((each) => each.offset === offset);
  return record !== undefined && isUnwanted(witness, watch, record);
}

/** The event that a record holds; undefined for what others have written. */
export function eventOf({ work }: OutWitness, record: LoggedRecord): SentEvent | undefined {
  return record.event === undefined ? undefined : work.event(record.event);
}

const noPartition: LogPartition = { records: [], earliest: 0, latest: 0, past: [] };

/** The partition that a subscription follows, of the topic that it follows. */
export function partitionOf({ log }: OutWitness, { topic, partition, generation }: Watch): LogPartition {
  return log.generation(topic, generation)?.partitions[partition] ?? noPartition;
}

/** Written as in `alpha orders/0`. */
export function nameOf({ plan, topic, partition }: Watch): string {
  return `${plan.name} ${topic}/${partition}`;
}

/** Whether a checkpoint calls an offset finished. */
export function isFinished({ nextOffset, finished }: Standing, offset: number): boolean {
  return offset < nextOffset || finished.some(({ from, to }) => offset >= from && offset < to);
}

/** Reads a checkpoint's entity, by itself: what is checked is not asked. */
export function readStanding(entity: Entity): Standing {
  const nextOffset = Number(entity.nextOffset);
  let last = nextOffset;
  const finished = String(entity.finished ?? '')
    .split(' ')
    .filter((part) => part !== '')
    .map((part) => {
      const [skip, length] = part.split('+').map(Number);
      const from = last + (skip ?? 0);
      last = from + (length ?? 0);
      return { from, to: last };
    });
  const gaps = JSON.parse(String(entity.gaps)) as { fromOffset: string; toOffset: string; cause: string }[];
  return {
    nextOffset,
    finished,
    gaps: gaps.map(({ fromOffset, toOffset, cause }) => ({
      from: Number(fromOffset),
      to: Number(toOffset),
      cause,
    })),
    epoch: Number(entity.epoch),
    owner: String(entity.leaseOwner),
    expiresAtMs: Number(entity.leaseExpiresAtMs),
    parkedCount: (JSON.parse(String(entity.parked)) as { count: number }).count,
    halted: (JSON.parse(String(entity.loss)) as { halted: boolean } | null)?.halted ?? false,
  };
}
