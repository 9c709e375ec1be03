import type { Arrival, EndpointsModel, Sent } from '../outside/endpoints.ts';
import { type Place, placeOfWebhookId, placesOf } from '../outside/places.ts';
import { staleMsMax } from '../outside/proxy.ts';
import type { Entity, TableWrite } from '../outside/tables.ts';
import type { LoggedRecord, LogPartition, LogTopic } from '../outside/topic-log.ts';
import { placeOf } from '../outside/topic-log.ts';
import { topics } from '../outside/topics.ts';
import type { Configurations } from '../platform/configurations.ts';
import { type Instance, operatorName } from '../platform/instance.ts';
import type { SubscriptionPlan } from '../subscriptions.ts';
import type { SentEvent } from '../work/work.ts';
import type { InWitness } from './in.ts';

/** What the bridge says of a partition in its checkpoint, as the witness reads it. */
interface Standing {
  readonly nextOffset: number;
  readonly finished: readonly Range[];
  readonly gaps: readonly (Range & { readonly cause: string })[];
  readonly epoch: number;
  readonly owner: string;
  readonly expiresAtMs: number;
  readonly parkedCount: number;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** What the witness knows of one partition of one subscription. */
interface Watch {
  readonly plan: SubscriptionPlan;
  readonly topic: string;
  readonly partition: number;
  /** How often the topic that the subscription follows had been made anew. */
  generation: number;
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
  /** Of these, the ones of which an instance has heard. */
  readonly heard: Set<number>;
  /** The last epoch that each instance has claimed, and that of the last holder who opened what is parked. */
  readonly claims: Map<string, number>;
  opened: number;
  /** The run by which each instance has had the lease last, and until when, by its own clock. */
  readonly leases: Map<string, { readonly owner: string; readonly untilMs: number }>;
  /** How often the endpoint had been resumed when the last loss was passed. */
  resumes: number;
  readonly letters: Set<number>;
  /** Of these, the ones that were refused. */
  readonly refused: Set<number>;
  readonly parked: Set<number>;
  /** Records that were parked when an operator sought: they come by themselves, and once more from the log. */
  readonly twice: Set<number>;
  /** Offsets that an operator skipped by seeking. */
  readonly skipped: Range[];
  /** Offsets sent again in each epoch although an instance knew that they were taken. */
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
  /** How often each endpoint was resumed. */
  readonly resumes: Map<string, number>;
  /** The records that each webhook-id of a batch has stood for. */
  readonly batches: Map<string, string>;
}

/** The bridge believes that a topic was made anew when it was seen so for this long, by its clocks. */
const recreatedAfterMs = 60_000;

/** Records of a batch may be finished or parked above a bound that was reached while they were under way. */
const underwayMax = (plans: readonly SubscriptionPlan[]) =>
  Math.max(...plans.map(({ maxInFlight }) => maxInFlight)) *
  Math.max(...plans.map(({ form }) => (typeof form === 'string' ? 1 : form.recordsMax)));

/** Watches the way out while the world lives. */
export function watchOut(
  witness: Pick<OutWitness, keyof InWitness | 'configurations'>,
  endpoints: EndpointsModel,
) {
  const watches = new Map<string, Watch>();
  const former = new Map<string, Watch[]>();
  const out: OutWitness = {
    ...witness,
    ...{ watches, former },
    ...{ runs: new Map(), resumes: new Map(), batches: new Map() },
  };
  const plans = new Map(witness.world.plan.subscriptions.map((plan) => [plan.name, plan]));

  function watchOf(subscription: string, topic: string, partition: number): Watch {
    const name = `${subscription} ${topic}/${partition}`;
    let watch = watches.get(name);
    if (watch === undefined) {
      watch = newWatch(plans.get(subscription) as SubscriptionPlan, topic, partition);
      watches.set(name, watch);
    }
    return watch;
  }

  witness.tables.onWrite((write) => {
    const { partitionKey, rowKey } = (write.after ?? write.before) as Entity;
    if (write.table === 'checkpoints' && rowKey === 'endpoint') sawEndpoint(out, write);
    else if (write.table === 'checkpoints') {
      const [topic = '', partition] = rowKey.split(':');
      const watch = watchOf(partitionKey, topic, Number(partition));
      if (!isCrossing(write)) sawCheckpoint(out, watch, write);
      else watches.set(nameOf(watch), sawCrossing(out, watch, write));
    } else if (write.table === 'parked') {
      const [subscription = '', topic = '', partition] = partitionKey.split(':');
      sawParked(out, watchOf(subscription, topic, Number(partition)), write);
    } else if (write.table === 'deadletters' && plans.has(partitionKey)) {
      const [topic = '', partition, offset] = (rowKey.split('~')[0] ?? '').split(':');
      const watch = watchOf(partitionKey, topic, Number(partition));
      watch.letters.add(Number(offset));
      if (write.after?.code === 'delivery.refused') watch.refused.add(Number(offset));
      if (write.before === undefined && !watch.excused) checkGivenUp(out, watch, write.after as Entity);
    }
  });
  endpoints.onSent((sent) => {
    if (sent.caller.name.startsWith(operatorName)) return;
    const places = placesOf(sent.request);
    const [first] = places;
    if (first === undefined) return;
    const watch = watchOf(sent.subscription, first.topic, first.partition);
    checkLease(out, watch, sent);
    if (!watch.excused) checkTime(out, watch, places, sent);
    const known = places.filter(({ generation = watch.generation }) => generation === watch.generation);
    checkParked(
      out,
      watch,
      known.map(({ offset }) => offset),
    );
  });
  endpoints.onArrival((arrival) => {
    for (const place of sawRequest(out, arrival)) {
      const watch = watchOf(arrival.subscription, place.topic, place.partition);
      if (!watch.excused) sawRecord(out, generationOf(out, watch, place), place, arrival);
    }
  });
  witness.log.onChange((topic) => {
    if (topic.generation === 0) return;
    for (const watch of watches.values()) if (watch.topic === topic.name) lookForNew(watch, topic);
  });
  return out;
}

/** What the way out still has to do; undefined: nothing. */
export function restlessOut(witness: OutWitness): string | undefined {
  const { world, log, watches } = witness;
  for (const [place, { excused, parked }] of watches) {
    if (!excused && parked.size > 0) return `${place} has ${[...parked].join(' ')} parked`;
  }
  for (const { name, topics: read } of world.plan.subscriptions) {
    for (const topic of read) {
      if (log.newest(topic)?.deletedMs !== undefined) return `${topic} is away`;
      for (const [number, { records }] of (log.topics.get(topic)?.partitions ?? []).entries()) {
        const place = `${name} ${topic}/${number}`;
        const watch = watches.get(place);
        const last = records.at(-1)?.offset ?? -1;
        const { nextOffset } = watch?.standing ?? {};
        if (watch === undefined || nextOffset === undefined) return `${place} was never begun`;
        if (watch.excused) continue;
        if (watch.generation !== log.topics.get(topic)?.generation) return `${place} is of an old topic`;
        if (nextOffset <= last) return `${place} stands at ${nextOffset}, and its last record is ${last}`;
      }
    }
  }
  return undefined;
}

/** Looks at the way out once the world is at rest. */
export function checkOut(witness: OutWitness): void {
  const { world } = witness;
  const calm = Object.keys(world.plan.faults).length === 0 && world.plan.skewMs === 0;
  const refuses = world.plan.faults['endpoint answers 4xx'] !== undefined;
  for (const [name, watch] of witness.watches) {
    if (watch.excused) continue;
    for (const record of partitionOf(witness, watch).records) {
      if (!isJustified(witness, watch, record) && !isLeftOpen(witness, watch, record.offset)) {
        world.violated('no record is skipped', `${name}/${record.offset} was neither delivered nor given up`);
      }
      const poison = eventOf(witness, record)?.poison ?? false;
      if (calm && watch.letters.has(record.offset) && !poison) {
        world.violated(
          'nothing good is given up',
          `${name}/${record.offset} is a dead letter, and nothing failed`,
        );
      }
      if (!refuses && watch.refused.has(record.offset) && !poison) {
        world.violated('nothing good is given up', `${name}/${record.offset} was refused with its neighbour`);
      }
    }
  }
}

/** Of a partition that a topic made anew does not have, the checkpoint goes on saying what is missing. */
function isLeftOpen({ log }: OutWitness, { topic, partition, standing }: Watch, offset: number): boolean {
  const isGone = log.newest(topic)?.partitions[partition] === undefined;
  return isGone && standing !== undefined && !isFinished(standing, offset);
}

function sawCheckpoint(witness: OutWitness, watch: Watch, { before, after, writer }: TableWrite): void {
  const { world } = witness;
  if (after === undefined) {
    world.violated('checkpoints stay', `${nameOf(watch)} was deleted`);
    return;
  }
  const next = readStanding(after);
  const last = before && readStanding(before);
  watch.standing = next;
  if (last === undefined) {
    beginWatch(witness, watch, next.nextOffset);
    return;
  }
  if (writer.name.startsWith(operatorName)) {
    sawSeek(witness, watch, last, next);
    return;
  }
  if (next.owner !== '') holds(witness, watch, next, writer);
  if (next.epoch > last.epoch) watch.claims.set(writer.name, next.epoch);
  checkFence(witness, watch, last, next, writer.name, writer.clock.now());
  if (watch.excused) return;
  if (next.nextOffset < last.nextOffset) {
    world.violated('checkpoints move forward', `${nameOf(watch)}: ${last.nextOffset} to ${next.nextOffset}`);
  }
  for (const gap of next.gaps.slice(-1)) checkGap(witness, watch, gap);
  const losses = (gaps: Standing['gaps']) => gaps.filter(({ cause }) => cause !== 'empty').length;
  if (losses(next.gaps) > losses(last.gaps)) checkLoss(witness, watch);
  checkFinished(witness, watch, last);
}

/** What a checkpoint newly calls finished has become something. */
function checkFinished(witness: OutWitness, watch: Watch, last: Standing | undefined): void {
  const { standing: next } = watch;
  if (next === undefined) return;
  const { world } = witness;
  for (const record of partitionOf(witness, watch).records) {
    const { offset } = record;
    if (!isFinished(next, offset) || (last !== undefined && isFinished(last, offset))) continue;
    if (!isJustified(witness, watch, record)) {
      world.violated(
        'finished means delivered or given up',
        `${nameOf(watch)}/${offset} is finished in the checkpoint, and nothing has become of it`,
      );
    }
  }
}

function newWatch(plan: SubscriptionPlan, topic: string, partition: number): Watch {
  return {
    plan,
    topic,
    partition,
    generation: 0,
    excused: false,
    formerGaps: 0,
    start: 0,
    begunMs: Number.POSITIVE_INFINITY,
    standing: undefined,
    taken: new Set(),
    heard: new Set(),
    claims: new Map(),
    opened: -1,
    leases: new Map(),
    resumes: 0,
    letters: new Set(),
    refused: new Set(),
    parked: new Set(),
    twice: new Set(),
    skipped: [],
    again: new Map(),
    lanes: new Map(),
    laned: 0,
    lanedBy: undefined,
  };
}

/** Metadata may still have shown the topic before this one; of one that is away, the next is begun. */
function beginWatch(witness: OutWitness, watch: Watch, nextOffset: number): void {
  const { world, log, watches } = witness;
  const { generation = 0, partitions = [], deletedMs } = log.newest(watch.topic) ?? {};
  const isOld = generation > 0 && nextOffset > (partitions[watch.partition]?.latest ?? 0);
  const isNext = deletedMs !== undefined && nextOffset === 0;
  watch.generation = generation + (isNext ? 1 : isOld ? -1 : 0);
  watch.start = nextOffset;
  watch.begunMs = world.nowMs();
  const { past, earliest } = partitionOf(witness, watch);
  const [added] = past;
  const others = [...watches.values()].filter(
    (each) => each !== watch && each.plan === watch.plan && each.topic === watch.topic,
  );
  const isLater =
    others.some(({ begunMs }) => begunMs < (added?.atMs ?? 0)) &&
    others.every(({ partition }) => partition < watch.partition);
  if (isLater && nextOffset > earliest) {
    world.violated(
      'an added partition is read from its beginning',
      `${nameOf(watch)} begins at ${nextOffset}`,
    );
  }
}

/** Whether a checkpoint says for the first time that the topic was made anew. */
function isCrossing({ before, after }: TableWrite): boolean {
  if (before === undefined || after === undefined) return false;
  const { gaps } = readStanding(after);
  return gaps.at(-1)?.cause === 'recreated' && gaps.length > readStanding(before).gaps.length;
}

/** The subscription follows the new topic from here on. */
function sawCrossing(witness: OutWitness, old: Watch, { before, after, writer }: TableWrite): Watch {
  const { world, log, former } = witness;
  const next = readStanding(after as Entity);
  const last = readStanding(before as Entity);
  const topicNow = log.newest(old.topic);
  const { generation: latest = 0, partitions = [] } = topicNow ?? {};
  const start = next.gaps.at(-1)?.to ?? 0;
  // Metadata may show the one before the latest, which is as new to the subscription.
  const isBefore = latest - 1 > old.generation && start > (partitions[old.partition]?.earliest ?? 0);
  const generation = isBefore ? latest - 1 : latest;
  const { claims, leases, opened, plan, topic, partition, begunMs } = old;
  const formerGaps = next.gaps.length;
  checkLoss(witness, old);
  const { resumes } = old;
  const begun = { generation, start, begunMs, standing: next, formerGaps, claims, leases, opened, resumes };
  const watch: Watch = { ...newWatch(plan, topic, partition), ...begun };
  if (next.owner !== '') holds(witness, old, next, writer);
  checkFence(witness, old, last, next, writer.name, writer.clock.now());
  const isOld = generation === old.generation;
  // Clocks that disagree by more than the bridge waits let it believe what is stale.
  watch.excused = isOld && (old.excused || 2 * world.plan.skewMs >= recreatedAfterMs - staleMsMax);
  if (isBefore && topicNow !== undefined) lookForNew(watch, topicNow);
  if (watch.excused) return watch;
  if (isOld) world.violated('nothing stale is taken for a new topic', nameOf(old));
  if (start > partitionOf(witness, watch).earliest) {
    world.violated('a new topic is followed from its beginning', `${nameOf(watch)} begins at ${start}`);
  }
  if (old.parked.size > 0) {
    world.violated('nothing parked is forgotten', `${nameOf(old)} has ${[...old.parked].join(' ')} parked`);
  }
  former.set(nameOf(old), [...(former.get(nameOf(old)) ?? []), old]);
  checkFinished(witness, watch, undefined);
  return watch;
}

/**
 * Of a new topic that reaches the checkpoint of the old one before that was noticed, nothing is promised, unless the
 * old one held nothing.
 */
function lookForNew(watch: Watch, topic: LogTopic): void {
  const { standing, generation, partition } = watch;
  if (standing === undefined || generation === topic.generation) return;
  if ((topic.partitions[partition]?.latest ?? 0) >= standing.nextOffset) watch.excused = true;
}

/** The watch of the topic that a record is of. */
function generationOf({ former }: OutWitness, watch: Watch, { generation }: Place): Watch {
  if (generation === undefined || generation === watch.generation) return watch;
  return former.get(nameOf(watch))?.find((old) => old.generation === generation) ?? watch;
}

function sawEndpoint({ resumes }: OutWitness, { before, after }: TableWrite): void {
  if (after?.state !== 'active' || (before?.state !== 'paused' && before?.state !== 'disabled')) return;
  resumes.set(after.partitionKey, (resumes.get(after.partitionKey) ?? 0) + 1);
}

/** A record is given up only after all the attempts that one of the configurations gives it. */
function checkGivenUp({ world, configurations }: OutWitness, watch: Watch, letter: Entity): void {
  const { code, attemptCount } = letter;
  const schedules = configurations.ever(watch.plan.name).map(({ delaysMs }) => delaysMs.length + 1);
  const least = code === 'delivery.exhausted' ? Math.min(...schedules) : watch.plan.refusedAttemptsMax;
  const attempts = Number(attemptCount);
  if (code !== 'delivery.exhausted' && code !== 'delivery.refused') return;
  if (attempts <= Math.max(...schedules) && attempts >= Math.min(least, ...schedules)) return;
  world.violated(
    'records get their attempts',
    `${nameOf(watch)} ${letter.rowKey} was given up (${code}) after ${attempts} attempts`,
  );
}

function sawSeek({ log }: OutWitness, watch: Watch, last: Standing, next: Standing): void {
  if (watch.generation !== log.topics.get(watch.topic)?.generation) watch.excused = true;
  if (next.nextOffset > last.nextOffset) watch.skipped.push({ from: last.nextOffset, to: next.nextOffset });
  // Whatever comes again now does so because somebody wants it.
  watch.heard.clear();
  for (const offset of watch.parked) watch.twice.add(offset);
}

/** Only the holder of the lease writes, or whoever takes over a lease that has lapsed. */
function checkFence(
  { world }: OutWitness,
  watch: Watch,
  last: Standing,
  next: Standing,
  writer: string,
  nowMs: number,
): void {
  const isWriters = (owner: string) => owner.startsWith(`${writer}:`);
  const wrong =
    (next.owner !== '' && !isWriters(next.owner)) ||
    (last.owner !== '' && next.owner !== last.owner && !isWriters(last.owner) && last.expiresAtMs > nowMs) ||
    (last.owner !== '' && next.owner === '' && !isWriters(last.owner)) ||
    next.epoch < last.epoch;
  if (wrong) {
    const lease = `the lease of ${last.owner} until ${last.expiresAtMs} (now ${nowMs})`;
    world.violated('no stale write takes effect', `${nameOf(watch)} was written by ${writer} under ${lease}`);
  }
}

/** Where a loss is to halt, it is passed once somebody has resumed since the one before. */
function checkLoss({ world, resumes }: OutWitness, watch: Watch): void {
  if (watch.plan.dataLoss !== 'halt') return;
  const now = resumes.get(watch.plan.name) ?? 0;
  if (now === watch.resumes) world.violated('a loss waits for an operator', nameOf(watch));
  watch.resumes = now;
}

/** A gap holds no record that could still be read. */
function checkGap(witness: OutWitness, watch: Watch, gap: Range & { cause: string }): void {
  const { records, earliest } = partitionOf(witness, watch);
  for (const { offset } of records) {
    if (offset < earliest || offset < gap.from || offset >= gap.to || gap.cause === 'recreated') continue;
    if (watch.taken.has(offset) || watch.letters.has(offset)) continue;
    witness.world.violated(
      'gaps are true',
      `${nameOf(watch)}/${offset} is in a gap (${gap.cause}) but readable`,
    );
  }
}

function sawParked(witness: OutWitness, watch: Watch, { before, after, writer }: TableWrite): void {
  const { world, tables } = witness;
  const { partitionKey, rowKey } = (after ?? before) as Entity;
  if (rowKey === 'fence' && before?.holder !== after?.holder) checkOpening(witness, watch, writer.name);
  if (!/^\d+$/.test(rowKey)) return;
  const offset = Number(rowKey);
  const holder = String(tables.row('parked', partitionKey, 'fence')?.holder ?? '');
  if (!holder.includes(writer.name)) {
    world.violated(
      'no stale write takes effect',
      `${nameOf(watch)}/${offset} was parked by ${writer.name}, not ${holder}`,
    );
  }
  if (after !== undefined) {
    watch.parked.add(offset);
    const { parkedMax } = watch.plan;
    if (watch.parked.size > parkedMax + underwayMax(witness.configurations.ever(watch.plan.name))) {
      world.violated('limits are kept', `${nameOf(watch)} has ${watch.parked.size} parked, of ${parkedMax}`);
    }
    return;
  }
  watch.parked.delete(offset);
  if (watch.excused) return;
  const record = partitionOf(witness, watch).records.find((each) => each.offset === offset);
  const finished = watch.standing !== undefined && isFinished(watch.standing, offset);
  if (record !== undefined && finished && !isJustified(witness, watch, record)) {
    world.violated('nothing parked is forgotten', `${nameOf(watch)}/${offset} is no longer parked`);
  }
}

/** Once a holder has taken over what is parked, nobody takes it over whose claim is older. */
function checkOpening({ world }: OutWitness, watch: Watch, writer: string): void {
  const claimed = watch.claims.get(writer) ?? -1;
  if (claimed < watch.opened) {
    const lease = `its lease is of epoch ${claimed}, and that of ${watch.opened} has opened it`;
    world.violated(
      'no stale write takes effect',
      `${nameOf(watch)}: ${writer} opened what is parked: ${lease}`,
    );
  }
  watch.opened = Math.max(watch.opened, claimed);
}

/** An instance has the lease, by one of its runs. */
function holds(
  { runs }: OutWitness,
  { leases }: Watch,
  { owner, expiresAtMs }: Standing,
  writer: Instance,
): void {
  leases.set(writer.name, { owner, untilMs: expiresAtMs });
  if (!runs.has(owner)) runs.set(owner, writer.clock.now());
}

/** No attempt begins unless the lease outlasts it, and the run. */
function checkLease({ world, runs }: OutWitness, watch: Watch, { caller, request }: Sent): void {
  const { owner = '', untilMs = 0 } = watch.leases.get(caller.name) ?? {};
  const nowMs = caller.clock.now();
  const begins = `${nameOf(watch)}: ${caller.name} begins an attempt of ${request.timeoutMs} ms`;
  const leftMs = untilMs - nowMs;
  if (leftMs < request.timeoutMs) {
    world.violated('a lease outlasts its attempts', `${begins} with ${leftMs} ms of its lease left`);
  }
  const runMs = nowMs - (runs.get(owner) ?? nowMs);
  if (runMs + request.timeoutMs > world.plan.drain.budgetMs) {
    world.violated('an invocation ends in time', `${begins} after ${runMs} ms of its run`);
  }
}

/** Nothing is attempted again before its time. */
function checkTime(
  { world, tables }: OutWitness,
  watch: Watch,
  places: readonly Place[],
  { caller }: Sent,
): void {
  const { plan, topic, partition } = watch;
  for (const { offset, generation = watch.generation } of places) {
    if (generation !== watch.generation || watch.twice.has(offset)) continue;
    const key = String(offset).padStart(19, '0');
    const parked = tables.row('parked', `${plan.name}:${topic}:${partition}`, key);
    const checkpoint = tables.row('checkpoints', plan.name, `${topic}:${partition}`);
    const retry = JSON.parse(String(checkpoint?.retry ?? null)) as { failures: number; atMs: number } | null;
    const isHeld = retry !== null && retry.failures > 0 && offset === watch.standing?.nextOffset;
    const dueMs = Math.max(Number(parked?.nextAttemptMs ?? 0), isHeld ? retry.atMs : 0);
    const earlyMs = dueMs - caller.clock.now();
    if (earlyMs <= 0) continue;
    world.violated(
      'a retry waits for its time',
      `${nameOf(watch)}/${offset} is attempted ${earlyMs} ms too early`,
    );
  }
}

/** What is parked of a lane goes out before what comes later in it, and in its order. */
function checkParked(witness: OutWitness, watch: Watch, offsets: readonly number[]): void {
  const ordering = orderingOf(witness, watch);
  if (ordering === 'none' || watch.excused || witness.world.plan.skewMs > 0) return;
  const { records } = partitionOf(witness, watch);
  const laneOf = (offset: number) => {
    const key = records.find((record) => record.offset === offset)?.key ?? null;
    return ordering === 'partition' ? '' : key;
  };
  for (const [index, offset] of offsets.entries()) {
    const lane = laneOf(offset);
    if (lane === null || watch.taken.has(offset)) continue;
    for (const earlier of watch.parked) {
      if (earlier >= offset || watch.taken.has(earlier) || laneOf(earlier) !== lane) continue;
      if (isGivenUp(watch, earlier) || offsets.slice(0, index).includes(earlier)) continue;
      witness.world.violated(
        'what is parked goes first',
        `${nameOf(watch)}: ${offset} is sent while ${earlier} of its lane is parked`,
      );
    }
  }
}

/** Looks at a request as a whole, and tells which records it carries. */
function sawRequest({ world, batches }: OutWitness, { subscription, request }: Arrival): readonly Place[] {
  const places = placesOf(request);
  const id = request.headers['webhook-id'] ?? '';
  const named = placeOfWebhookId(id);
  const [first] = places;
  if (first === undefined) world.violated('deliveries say what they are', `${subscription} got ${id}`);
  else if (named !== undefined && (places.length > 1 || placeOf(named) !== placeOf(first))) {
    world.violated('webhook-id names the record', `${id} stands for ${placeOf(first)}`);
  } else if (named === undefined) {
    const carried = places.map(placeOf).join(' ');
    const before = batches.get(id) ?? carried;
    batches.set(id, carried);
    if (before !== carried) {
      world.violated('webhook-id names the record', `${id} stands for ${before} and for ${carried}`);
    }
  }
  return places;
}

function sawRecord(witness: OutWitness, watch: Watch, place: Place, arrival: Arrival): void {
  const { world } = witness;
  const { offset, generation } = place;
  const record = partitionOf(witness, watch).records.find((each) => each.offset === offset);
  if (generation === undefined && record === undefined && witness.former.has(nameOf(watch))) return;
  if (record === undefined || (generation !== undefined && generation !== watch.generation)) {
    world.violated('only records are delivered', `${nameOf(watch)}/${offset}`);
    return;
  }
  const callers = witness.configurations.of(arrival.caller.name).subscriptions;
  if (
    isUnwantedBy(
      witness,
      callers.filter(({ name }) => name === watch.plan.name),
      record,
    )
  ) {
    world.violated('filters hold', `${nameOf(watch)}/${offset} is not wanted`);
  }
  if (watch.heard.has(offset)) sawAgain(witness, watch, offset, arrival);
  if (arrival.status < 200 || arrival.status > 299) return;
  if (!watch.taken.has(offset)) checkOrder(witness, watch, record);
  watch.taken.add(offset);
  const heard = arrival.heard && arrival.caller.alive && !arrival.caller.frozen;
  if (heard && !watch.twice.delete(offset)) watch.heard.add(offset);
}

/** What was taken is sent again only after a crash or a lost lease, and then no more than one window. */
function sawAgain(
  { world, configurations }: OutWitness,
  watch: Watch,
  offset: number,
  arrival: Arrival,
): void {
  if (arrival.caller.name.startsWith(operatorName)) return;
  const epoch = watch.standing?.epoch ?? 0;
  const again = watch.again.get(epoch) ?? new Set();
  watch.again.set(epoch, again);
  again.add(offset);
  const calm = Object.keys(world.plan.faults).length === 0 && world.plan.skewMs === 0;
  const most = calm ? 0 : configurations.windowRecordsMax();
  if (again.size > most) {
    world.violated(
      'duplicates are bounded',
      `${nameOf(watch)}: ${again.size} records that were known to be taken came again in epoch ${epoch}, of ${most}`,
    );
  }
}

/** Whatever comes before a record in its lane must be settled when an endpoint takes it for the first time. */
function checkOrder(witness: OutWitness, watch: Watch, record: LoggedRecord): void {
  const ordering = orderingOf(witness, watch);
  if (ordering === 'none' || (ordering === 'key' && record.key === null)) return;
  if (ordering !== watch.lanedBy) {
    watch.lanes.clear();
    watch.laned = 0;
    watch.lanedBy = ordering;
  }
  const { records, earliest } = partitionOf(witness, watch);
  const nameOfLane = ({ key }: LoggedRecord) => (ordering === 'key' ? `key ${key}` : '');
  for (; watch.laned < records.length; watch.laned += 1) {
    const each = records[watch.laned] as LoggedRecord;
    const lane = watch.lanes.get(nameOfLane(each));
    if (lane === undefined) watch.lanes.set(nameOfLane(each), { offsets: [each.offset], settled: 0 });
    else lane.offsets.push(each.offset);
  }
  const lane = watch.lanes.get(nameOfLane(record));
  if (lane === undefined) return;
  const isSettled = (offset: number) =>
    offset < earliest ||
    isGivenUp(watch, offset) ||
    watch.taken.has(offset) ||
    isUnwantedAt(witness, watch, offset);
  for (; lane.settled < lane.offsets.length; lane.settled += 1) {
    const offset = lane.offsets[lane.settled] as number;
    if (offset >= record.offset) break;
    if (isSettled(offset)) continue;
    witness.world.violated(
      'order is kept',
      `${nameOf(watch)}: ${record.offset} was taken before ${offset} of ${nameOfLane(record) || 'the partition'}`,
    );
    return;
  }
}

/** Delivered, filtered, given up, parked, or lost and recorded as such. */
function isJustified(witness: OutWitness, watch: Watch, record: LoggedRecord): boolean {
  const { offset } = record;
  const gaps = watch.standing?.gaps.slice(watch.formerGaps) ?? [];
  const inGap = gaps.some(({ from, to }) => offset >= from && offset < to);
  return (
    watch.taken.has(offset) ||
    watch.parked.has(offset) ||
    inGap ||
    isGivenUp(watch, offset) ||
    isUnwanted(witness, watch, record)
  );
}

function isGivenUp(watch: Watch, offset: number): boolean {
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
function isUnwantedBy(
  witness: OutWitness,
  plans: readonly SubscriptionPlan[],
  record: LoggedRecord,
): boolean {
  if (record.topic !== topics.orders) return false;
  const key = eventOf(witness, record)?.key;
  return key !== undefined && plans.some(({ unwantedKey }) => unwantedKey === key);
}

/** Where instances disagree about the order, the weakest is promised that any of them was configured with. */
function orderingOf({ configurations }: OutWitness, { plan }: Watch): SubscriptionPlan['ordering'] {
  const orderings = configurations.ever(plan.name).map(({ ordering }) => ordering);
  return orderings.find((each) => each === 'none') ?? orderings.find((each) => each === 'key') ?? 'partition';
}

function isUnwantedAt(witness: OutWitness, watch: Watch, offset: number): boolean {
  const record = partitionOf(witness, watch).records.find((each) => each.offset === offset);
  return record !== undefined && isUnwanted(witness, watch, record);
}

function eventOf({ work }: OutWitness, record: LoggedRecord): SentEvent | undefined {
  return record.event === undefined ? undefined : work.event(record.event);
}

function partitionOf({ log }: OutWitness, { topic, partition, generation }: Watch): LogPartition {
  return log.generation(topic, generation)?.partitions[partition] ?? noPartition;
}

const noPartition: LogPartition = { records: [], earliest: 0, latest: 0, past: [] };

function nameOf({ plan, topic, partition }: Watch): string {
  return `${plan.name} ${topic}/${partition}`;
}

function isFinished({ nextOffset, finished }: Standing, offset: number): boolean {
  return offset < nextOffset || finished.some(({ from, to }) => offset >= from && offset < to);
}

/** Reads a checkpoint's entity, by itself: what is checked is not asked. */
function readStanding(entity: Entity): Standing {
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
  };
}
