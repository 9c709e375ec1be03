import { isDeepStrictEqual } from 'node:util';
import type { Answer } from '../../../src/shared/answer.ts';
import type { ProxyModel } from '../outside/proxy.ts';
import type { Entity, TablesModel, TableWrite } from '../outside/tables.ts';
import { eventOf, type LoggedRecord, placeProperty, type TopicLog } from '../outside/topic-log.ts';
import { isSentOnce, onlyTakerOf, type SentEvent, type Work } from '../work/work.ts';
import type { Fault } from '../world/faults.ts';
import type { World } from '../world/world.ts';
import { watchCalls } from './in-calls.ts';
import { watchReceipts } from './in-receipts.ts';
import { textOf, textOfRows } from './stored.ts';

/** What the witness of the way in looks at. */
export interface InWitness {
  readonly world: World;
  /** Knows what went with topics that were deleted, too. */
  readonly log: TopicLog;
  readonly tables: TablesModel;
  readonly proxy: ProxyModel;
  readonly work: Work;
}

/** What the witness knows of the bridge's stores. */
interface Stores extends InWitness {
  /** How many batches of the outbox hold an event. */
  readonly queued: Map<string, number>;
  /** Events that are dead letters. */
  readonly deadLettered: Set<string>;
  /** The instance to which each owner of a topic's lease belongs. */
  readonly owners: Map<string, string>;
  /** Batches of the outbox that were added. */
  readonly added: Set<string>;
  /** Events of those that were added once more after they had left, when an answer was lost. */
  readonly addedAgain: Set<string>;
  /** Who has let each batch of the outbox wait. */
  readonly waits: Map<string, string>;
  /** How many batches each lease of a topic has seen to while an earlier one stood there. */
  readonly overtaken: Map<string, number>;
}

/** A record as the bridge stores it. */
interface StoredRecord {
  readonly value: unknown;
  readonly key?: string;
}

/** A dead letter as its rows hold it. */
interface Letter {
  readonly topic?: string;
  readonly reason: { readonly code: string };
  readonly payload: string;
}

/** One event in the answer of the bridge. */
interface SaidOfEvent {
  readonly id: string;
  readonly outcome: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: number;
}

/** None of these leaves it open whether a record was written, or makes receipts and leases fail. */
const harmless: ReadonlySet<Fault> = new Set<Fault>([
  'instance is configured anew',
  'timer doubles',
  'timer lapses',
  'schedule doubles',
  'schedule lapses',
  'proxy refuses connections',
  'proxy throttles',
  'proxy forgets tokens',
  'proxy fails single records',
  'proxy refuses whole calls',
  'proxy gives an empty page',
  'proxy begins a page early',
  'proxy points beyond the end',
  'proxy shows stale metadata',
  'proxy is away',
  'log leaves offsets out',
  'log moves its retention',
  'topic is made anew',
  'topic is away',
  'topic grows',
  'tables answer a repetition',
  'message doubles',
  'message is late',
  'message comes back',
  'message is poisoned',
  'endpoint answers 5xx',
  'endpoint answers 4xx',
  'endpoint redirects',
  'endpoint throttles',
  'endpoint is gone',
  'endpoint stalls',
  'endpoint resets',
  'endpoint loses answers',
  'endpoint is slow',
  'endpoint is away',
  'operator pauses',
  'operator seeks',
  'operator redrives',
  'operator stops a probe',
  'operator seeks in a walk',
  'operators redrive at once',
  'operator seeks far',
  'operator discards',
  'stranger writes',
  'event is never produced',
  'event is never taken',
  'event is large',
  'event fits no route',
]);

/** The bridge may give up what is larger than this: compressed, as it is here, no batch of the outbox holds it. */
const waitingBytesMax = 55_500;
/** Partitions of dead letters of the way in. */
const isOfWayIn = /^(?:ingest|outbox):[^:]+$/;
/** Batches that a flush reads together. */
const pageBatches = 4;
/** A flush ends within this, and its lease. */
const flushMsMax = 120_000;
/** A receipt that has ended is swept within this, whatever clocks say. */
const sweptWithinMs = 120_000;
/** The longest lease of a topic. */
const leaseMsMax = 60_000;

/**
 * Watches the way in while the world lives.
 *
 * @returns the events that the outbox may have had twice, for {@link checkIn}.
 */
export function watchIn(witness: InWitness): ReadonlySet<string> {
  const { world, log, tables, work } = witness;
  const stores: Stores = {
    ...witness,
    queued: new Map(),
    deadLettered: new Set(),
    owners: new Map(),
    waits: new Map(),
    overtaken: new Map(),
    added: new Set(),
    addedAgain: new Set(),
  };
  watchCalls(stores);
  watchReceipts(world, tables);
  work.onAnswer((events, answer) => checkAnswer(stores, events, answer));
  work.onTaken((event) => {
    if (isKept(stores, event)) return;
    world.violated('no acknowledged event is lost', `${event.name} is nowhere, and its trigger ended well`);
  });
  tables.onWrite((write) => {
    if (write.table === 'outbox') {
      const { partitionKey } = (write.after ?? write.before) as Entity;
      if (partitionKey === ':topics') sawLease(stores, write);
      else {
        sawBatch(stores, write);
        checkHeldBack(stores, write);
        checkOvertaken(stores, write);
      }
    } else if (write.table === 'receipts') sawReceipt(stores, write);
    else if (write.table === 'deadletters') sawLetter(stores, write);
  });
  let step = -1;
  let records = 0;
  log.onChange(({ name }) => {
    // One call of the proxy is one step of the world.
    records = step === world.steps ? records + 1 : 1;
    step = world.steps;
    if (records > world.plan.ingest.batchRecordsMax) {
      world.violated('limits are kept', `${records} records of ${name} in one call`);
    }
  });
  return stores.addedAgain;
}

/** What the way in still has to do; undefined: nothing. */
export function restlessIn({ world, work, tables }: InWitness): string | undefined {
  if (!work.done) return 'producers are not done';
  const waiting = tables.rows('outbox').find(({ partitionKey }) => partitionKey !== ':topics');
  if (waiting) return `the outbox holds ${waiting.partitionKey} ${waiting.rowKey}`;
  const endedMs = world.nowMs() - sweptWithinMs;
  const kept = tables.rows('receipts').find(({ expires }) => Number(expires) < endedMs);
  return kept && `the receipt of ${kept.id} has ended, and is still there`;
}

/** Looks at the way in once the world is at rest. */
export function checkIn(witness: InWitness, addedAgain: ReadonlySet<string>): void {
  const { world, log, tables, work } = witness;
  const { plan } = world;
  const deadLettered = deadLetteredIn(tables);
  const calm = [...world.struck.keys()].every((fault) => harmless.has(fault));
  for (const event of work.events) {
    const records = log.of(event.name);
    if (event.acknowledgedMs !== undefined && records.length === 0 && !deadLettered.has(event.name)) {
      world.violated(
        'no acknowledged event is lost',
        `${event.name} is neither in the log nor a dead letter`,
      );
    }
    for (const record of records) checkRecord(world, event, record);
    // Receipts do not recognise what comes to two instances at once.
    const { recognised, repeats, doubles } = event;
    const twiceAtOnce = plan.instances === 1 ? 0 : doubles;
    const writtenMax = 1 + (recognised ? twiceAtOnce : repeats + doubles);
    if (calm && records.length > writtenMax && !addedAgain.has(event.name)) {
      world.violated('duplicates have a reason', `${event.name} is in the log ${records.length} times`);
    }
  }
  if (plan.ingest.ordering === 'strict') checkOrder(witness, deadLettered);
}

/** What an answer says must be true when it comes, and none is left without what the contract asks of it. */
function checkAnswer(stores: Stores, events: readonly SentEvent[], { status, headers, body }: Answer): void {
  const { world } = stores;
  const names = events.map(({ name }) => name).join(' ');
  if (status === 202) {
    const { events: said } = JSON.parse(body) as { events: SaidOfEvent[] };
    if (said.length !== events.length) {
      world.violated('every event has an outcome', `${said.length} outcomes of ${names}`);
    }
    for (const [index, event] of events.entries()) checkSaid(stores, event, said[index]);
  } else if (status === 429 || status === 503) {
    if (!/^[1-9]\d*$/.test(headers['retry-after'] ?? '')) {
      world.violated('senders are told when to come again', `${status} for ${names}`);
    }
  } else if (status === 422 && events.some(({ invalid }) => invalid)) {
    const taken = events.find((event) => !event.parted && isKept(stores, event));
    if (taken) world.violated('a request is refused whole', `${taken.name} was taken in`);
  } else world.violated('answers are of the contract', `${status} for ${names}: ${body}`);
}

/** An event must be where the answer says that it is, at the time when it says so. */
function checkSaid(stores: Stores, event: SentEvent, said: SaidOfEvent | undefined): void {
  const { world, log, queued, deadLettered } = stores;
  const { name } = event;
  if (said?.id !== event.id || said.topic !== event.topic) {
    world.violated('every event has an outcome', `${name} is answered by ${JSON.stringify(said)}`);
    return;
  }
  const { outcome, partition, offset } = said;
  const records = log.of(name);
  const isThere: Readonly<Record<string, () => boolean>> = {
    produced: () =>
      offset === undefined
        ? records.length > 0 && world.plan.proxy.produceAnswer === 'text'
        : records.some((record) => record.partition === partition && record.offset === offset),
    queued: () => (queued.get(name) ?? 0) > 0 || records.length > 0 || deadLettered.has(name),
    'dead-lettered': () => deadLettered.has(name),
  };
  if (!isThere[outcome]?.()) {
    world.violated('no acknowledged event is lost', `${name} is not where the answer says: ${outcome}`);
  }
  if (isSentOnce(event) && outcome === 'produced' && (queued.get(name) ?? 0) > 0) {
    world.violated('duplicates have a reason', `${name} is in the outbox although it is produced`);
  }
}

/** Whether an event is in the log, in the outbox or a dead letter. */
function isKept({ log, queued, deadLettered }: Stores, { name }: SentEvent): boolean {
  return log.of(name).length > 0 || (queued.get(name) ?? 0) > 0 || deadLettered.has(name);
}

/** What leaves the outbox must be settled by then, and what stays there waits for its time. */
function sawBatch(stores: Stores, { before, after, writer }: TableWrite): void {
  const { world, log, tables, queued, deadLettered, added, addedAgain } = stores;
  const left = namesOf(before);
  for (const name of left) queued.set(name, (queued.get(name) ?? 0) - 1);
  for (const name of namesOf(after)) queued.set(name, (queued.get(name) ?? 0) + 1);
  const lost = left.find(
    (name) => (queued.get(name) ?? 0) === 0 && log.of(name).length === 0 && !deadLettered.has(name),
  );
  if (before === undefined && after !== undefined) {
    if (added.has(after.rowKey)) for (const name of namesOf(after)) addedAgain.add(name);
    added.add(after.rowKey);
  }
  if (lost) world.violated('no queued event is lost', `${lost} left the outbox (${writer.name})`);
  if (after && tables.row('outbox', ':topics', after.partitionKey) === undefined) {
    world.violated('no queued event is lost', `no flush knows of ${after.partitionKey} (${writer.name})`);
  }
  if (before && after && Number(before.nextAttemptMs) > writer.latestMs) {
    world.violated('no attempt before its time', `${after.rowKey} was to wait (${writer.name})`);
  }
}

/** In strict order a batch that waits holds back those behind it; whoever lets it wait knows that best. */
function checkHeldBack({ world, tables, waits }: Stores, { before, after, writer }: TableWrite): void {
  const { ingest, faults } = world.plan;
  if (before === undefined || ingest.ordering !== 'strict') return;
  const { partitionKey, rowKey } = before;
  // A write that was given up, or comes late, says nothing of what its flush has seen.
  const isLate = world.nowMs() - writer.thawedMs < flushMsMax || faults['tables are slow'] !== undefined;
  for (const waiting of isLate ? [] : tables.rows('outbox', partitionKey)) {
    if (waiting.rowKey >= rowKey) break;
    if (waits.get(waiting.rowKey) !== writer.name || Number(waiting.nextAttemptMs) <= writer.latestMs)
      continue;
    world.violated('order of the way in', `${writer.name} tries ${rowKey} while ${waiting.rowKey} waits`);
  }
  if (after === undefined) waits.delete(rowKey);
  else waits.set(rowKey, writer.name);
}

/** In strict order a flush takes what comes late before what follows it, once the page is done that it has read. */
function checkOvertaken({ world, tables, owners, overtaken }: Stores, { before, writer }: TableWrite): void {
  if (before === undefined || world.plan.ingest.ordering !== 'strict') return;
  const { partitionKey, rowKey } = before;
  const owner = String(tables.row('outbox', ':topics', partitionKey)?.owner ?? '');
  if (owners.get(owner) !== writer.name) return;
  for (const late of tables.rows('outbox', partitionKey)) {
    if (late.rowKey >= rowKey) break;
    const name = `${late.rowKey} ${owner}`;
    const times = (overtaken.get(name) ?? 0) + 1;
    overtaken.set(name, times);
    if (times > pageBatches) {
      world.violated('order of the way in', `${owner} leaves ${late.rowKey} behind ${times} that follow it`);
    }
  }
}

/** A lease is taken over when it has ended, or by the instance that could not give it up. */
function sawLease({ world, owners }: Stores, { before, after, writer }: TableWrite): void {
  const owner = String(after?.owner ?? '');
  const nowMs = writer.latestMs;
  if (owner === '') return;
  if (!owners.has(owner)) owners.set(owner, writer.name);
  if (owners.get(owner) !== writer.name) {
    world.violated('leases are kept', `${writer.name} calls itself ${owner}, as ${owners.get(owner)} does`);
  }
  const former = String(before?.owner ?? '');
  const lasts = former !== '' && Number(before?.expiresAtMs) > nowMs;
  if (lasts && former !== owner && owners.get(former) !== writer.name) {
    world.violated('leases are kept', `${writer.name} takes ${after?.rowKey} from ${owners.get(former)}`);
  }
  if (Number(after?.expiresAtMs) > nowMs + leaseMsMax) {
    world.violated('limits are kept', `${writer.name} takes ${after?.rowKey} until ${after?.expiresAtMs}`);
  }
}

/** A receipt says that an event was kept, so it comes after that. */
function sawReceipt(stores: Stores, { after }: TableWrite): void {
  const [source = '', id = ''] = String(after?.id).split(' ');
  const event = stores.work.eventOf(source, id);
  if (event && !isKept(stores, event)) {
    stores.world.violated('receipts come last', `${event.name} has a receipt and is nowhere`);
  }
}

/** A dead letter of the way in tells why, and holds the whole record. */
function sawLetter({ world, log, tables, deadLettered, work }: Stores, { before, after }: TableWrite): void {
  if (after === undefined || !isOfWayIn.test(after.partitionKey)) return;
  if (before !== undefined) {
    checkRedriven(world, log, tables, after);
    return;
  }
  const { topic, reason, record } = letterOf(tables, after);
  const event = work.event(eventOf(record.value) ?? '');
  const isWhole = event !== undefined && reason.code !== '' && isRecordOf(event, topic, record);
  if (!isWhole) world.violated('dead letters are whole', `${after.partitionKey} ${after.rowKey}`);
  else if (!isHopeless(event) && !(reason.code === 'kafka-rest.not-found' && isMissed(world, log, event))) {
    world.violated('nothing good is given up', `${event.name} is a dead letter`);
  } else deadLettered.add(event.name);
}

/** A letter is done with only when its event is in the log. */
function checkRedriven(world: World, log: TopicLog, tables: TablesModel, row: Entity): void {
  if (row.state !== 'redriven') return;
  const name = eventOf(letterOf(tables, row).record.value) ?? '';
  if (log.of(name).length === 0) {
    world.violated('no acknowledged event is lost', `${name} is not in the log, and its letter is redriven`);
  }
}

/** Whether nobody could take an event: no route, no broker, or neither the log nor the outbox. */
function isHopeless({ invalid, tooLarge, padding }: SentEvent): boolean {
  return invalid || tooLarge || padding > waitingBytesMax;
}

/** Whether the topic of an event was deleted, and the bridge may not make it. */
function isMissed({ plan }: World, log: TopicLog, { topic }: SentEvent): boolean {
  return log.wasAway(topic) && !plan.ingest.createsTopic;
}

/** A letter as its rows hold it: of a record with its topic, or of an event that no route takes. */
function letterOf(tables: TablesModel, row: Entity) {
  const text = textOfRows(tables, 'deadletters', row, `${row.partitionKey}:more`);
  const { payload, reason, topic } = JSON.parse(text) as Letter;
  const content = JSON.parse(payload);
  return { reason, topic, record: (topic === undefined ? { value: content } : content) as StoredRecord };
}

/** The events that are dead letters of the way in. */
function deadLetteredIn(tables: TablesModel): ReadonlySet<string> {
  const rows = tables.rows('deadletters').filter(({ partitionKey }) => isOfWayIn.test(partitionKey));
  return new Set(rows.map((row) => eventOf(letterOf(tables, row).record.value) ?? ''));
}

/** The log must have the record that the event was routed to. */
function checkRecord(world: World, event: SentEvent, { topic, key, value }: LoggedRecord): void {
  const { [placeProperty]: _, ...written } = JSON.parse(value ?? '{}');
  const record = { value: written, ...(key !== null && { key }) };
  if (event.invalid || !isRecordOf(event, topic, record)) {
    world.violated('records are as they were sent', `${event.name} is ${topic} ${key} ${value}`);
  }
}

/** Whether nothing of an event is missing or wrong; what no route takes has neither topic nor key. */
function isRecordOf(event: SentEvent, topic: string | undefined, { key, value }: StoredRecord): boolean {
  const isPlaced = event.invalid || (topic === event.topic && key === event.key);
  return isPlaced && isDeepStrictEqual(value, event.value());
}

const names = new WeakMap<Entity, readonly string[]>();

/** The events in a batch of the outbox. */
function namesOf(batch: Entity | undefined): readonly string[] {
  if (batch === undefined) return [];
  let found = names.get(batch);
  if (found === undefined) {
    const records = JSON.parse(textOf(batch)) as StoredRecord[];
    found = records.flatMap(({ value }) => eventOf(value) ?? []);
    names.set(batch, found);
  }
  return found;
}

/**
 * In strict order: an event sent after another of its key was acknowledged comes after it in the log, as far as the
 * clocks of instances agree; so does the later one of a request that was taken at once. A request that failed may
 * have been kept in part.
 */
function checkOrder({ world, log, work }: InWitness, deadLettered: ReadonlySet<string>): void {
  const lanes = new Map<string, { event: SentEvent; first: LoggedRecord; acknowledgedMs: number }[]>();
  for (const event of work.events) {
    const first = log.of(event.name)[0];
    const { acknowledgedMs, sentMs, request, sendings, repeats, doubles } = event;
    // What was given up and then sent again comes when it comes.
    if (first === undefined || acknowledgedMs === undefined || deadLettered.has(event.name)) continue;
    const name = `${event.topic} ${event.key}`;
    const lane = lanes.get(name) ?? [];
    lanes.set(name, lane);
    for (const earlier of lane) {
      const ordered =
        earlier.event.request === request
          ? sendings === 1 && doubles === 0 && (repeats === 0 || world.plan.skewMs === 0)
          : earlier.acknowledgedMs + errorOfClocks(world, earlier.event, event) <= sentMs;
      if (ordered && isBefore(first, earlier.first)) {
        world.violated('order of the way in', `${event.name} comes before ${earlier.event.name} in the log`);
      }
    }
    lane.push({ event, first, acknowledgedMs });
  }
}

/** How far the outbox may put two events in the wrong order: not at all where one instance took both. */
function errorOfClocks({ plan }: World, one: SentEvent, other: SentEvent): number {
  const taker = onlyTakerOf(one);
  return taker !== undefined && taker === onlyTakerOf(other) ? 0 : 2 * plan.skewMs;
}

/** Where partitions were added, a key goes on in another. */
function isBefore(one: LoggedRecord, other: LoggedRecord): boolean {
  if (one.generation !== other.generation) return one.generation < other.generation;
  return one.partition === other.partition && one.offset < other.offset;
}
