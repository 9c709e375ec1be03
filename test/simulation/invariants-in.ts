import type { Entity, TablesModel } from './tables.ts';
import type { LoggedRecord, TopicLog } from './topic-log.ts';
import { sources, topics } from './topics.ts';
import type { SaidOfEvent, SentEvent, Work } from './work.ts';
import type { World } from './world.ts';

/** What the witness of the way in looks at. */
export interface InWitness {
  readonly world: World;
  /** Knows what went with topics that were deleted, too. */
  readonly log: TopicLog;
  readonly tables: TablesModel;
  readonly work: Work;
}

/** Watches the way in while the world lives. */
export function watchIn(witness: InWitness): void {
  witness.work.onAcknowledged((event, said) => checkAcknowledged(witness, event, said));
}

/** What the way in still has to do; undefined: nothing. */
export function restlessIn({ work, tables }: InWitness): string | undefined {
  if (!work.done) return 'producers are not done';
  const waiting = tables.rows('outbox').find(({ partitionKey }) => partitionKey !== ':topics');
  return waiting && `the outbox holds ${waiting.partitionKey} ${waiting.rowKey}`;
}

/** Looks at the way in once the world is at rest. */
export function checkIn(witness: InWitness): void {
  const { world, log, work } = witness;
  const calm = Object.keys(world.plan.faults).length === 0 && world.plan.skewMs === 0;
  for (const event of work.events) {
    const written = log.of(event.name).length;
    if (event.acknowledgedMs !== undefined && written === 0 && !isBuried(witness, event)) {
      world.violated(
        'no acknowledged event is lost',
        `${event.name} is neither in the log nor a dead letter`,
      );
    }
    if (!event.tooLarge && isBuried(witness, event)) {
      world.violated('nothing good is given up', `${event.name} is a dead letter`);
    }
    const writtenMax = event.source === sources.orders ? 1 : 1 + event.repeats;
    if (calm && written > writtenMax) {
      world.violated(
        'duplicates have a reason',
        `${event.name} is in the log ${written} times, and nothing failed`,
      );
    }
  }
  if (world.plan.ingest.ordering === 'strict') checkOrder(witness);
}

/** An event must be where the answer says that it is, at the time when it says so. */
function checkAcknowledged(witness: InWitness, event: SentEvent, said: SaidOfEvent): void {
  const { world, log, tables } = witness;
  const written = log.of(event.name);
  const { outcome, partition, offset } = said;
  if (outcome === 'produced') {
    const there = written.some(
      (record) => offset === undefined || (record.partition === partition && record.offset === offset),
    );
    if (!there) world.violated('no acknowledged event is lost', `${event.name} is not where the answer says`);
  } else if (outcome === 'queued') {
    const waits = tables.rows('outbox', said.topic).some((row) => holds(row, event.name));
    if (!waits && written.length === 0 && !isBuried(witness, event)) {
      world.violated(
        'no acknowledged event is lost',
        `${event.name} is neither in the outbox nor in the log`,
      );
    }
  } else if (outcome === 'dead-lettered') {
    if (!isBuried(witness, event)) {
      world.violated('no acknowledged event is lost', `${event.name} is no dead letter`);
    }
  } else world.violated('every event has an outcome', `${event.name} is ${outcome}`);
}

function isBuried({ tables }: InWitness, event: SentEvent): boolean {
  return Object.values(topics).some((topic) =>
    [`ingest:${topic}`, `outbox:${topic}`].some((origin) =>
      tables.rows('deadletters', origin).some((row) => holds(row, event.name)),
    ),
  );
}

/** Whether an entity holds an event; its chunks are plain text here. */
function holds(entity: Entity, event: string): boolean {
  const { data0 } = entity;
  if (!(data0 instanceof Uint8Array)) return false;
  const text = Buffer.from(data0).toString('utf8');
  return text.includes(`"event":"${event}"`) || text.includes(`\\"event\\":\\"${event}\\"`);
}

/**
 * In strict order: an event sent after another of its key was acknowledged comes after it in the log, as far as the
 * clocks of instances agree; so does the later one of a request that was taken at once. A request that failed may
 * have been kept in part.
 */
function checkOrder({ world, log, work }: InWitness): void {
  const lanes = new Map<string, { event: SentEvent; first: LoggedRecord; acknowledgedMs: number }[]>();
  for (const event of work.events) {
    const first = log.of(event.name)[0];
    const { acknowledgedMs, sentMs, request, sendings, repeats } = event;
    if (first === undefined || acknowledgedMs === undefined) continue;
    const name = `${event.source} ${event.key}`;
    const lane = lanes.get(name) ?? [];
    lanes.set(name, lane);
    for (const earlier of lane) {
      const ordered =
        earlier.event.request === request
          ? sendings === 1 && (repeats === 0 || world.plan.skewMs === 0)
          : earlier.acknowledgedMs + 2 * world.plan.skewMs <= sentMs;
      if (ordered && isBefore(first, earlier.first)) {
        world.violated('order of the way in', `${event.name} comes before ${earlier.event.name} in the log`);
      }
    }
    lane.push({ event, first, acknowledgedMs });
  }
}

function isBefore(one: LoggedRecord, other: LoggedRecord): boolean {
  return one.generation === other.generation ? one.offset < other.offset : one.generation < other.generation;
}
