import type { Arrival, Sent } from '../outside/endpoints.ts';
import { type Place, placeOfWebhookId, placesOf } from '../outside/places.ts';
import type { Entity } from '../outside/tables.ts';
import type { LoggedRecord } from '../outside/topic-log.ts';
import { placeOf } from '../outside/topic-log.ts';
import { operatorName } from '../platform/instance.ts';
import {
  isFinished,
  isGivenUp,
  isUnwantedAt,
  isUnwantedBy,
  nameOf,
  type OutWitness,
  orderingOf,
  partitionOf,
  type Watch,
} from './out-watch.ts';

/** The watch of the topic that a record is of. */
export function generationOf({ former }: OutWitness, watch: Watch, { generation }: Place): Watch {
  if (generation === undefined || generation === watch.generation) return watch;
  return former.get(nameOf(watch))?.find((old) => old.generation === generation) ?? watch;
}

/** A record is given up only after all the attempts that one of the configurations gives it. */
export function checkGivenUp({ world, configurations }: OutWitness, watch: Watch, letter: Entity): void {
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

/** No attempt begins unless the lease outlasts it, and the run. */
export function checkLease({ world, runs }: OutWitness, watch: Watch, { caller, request }: Sent): void {
  // It may have looked at its clock before that was set.
  if (world.nowMs() - caller.setMs < request.timeoutMs) return;
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
export function checkTime(
  { world, tables }: OutWitness,
  watch: Watch,
  places: readonly Place[],
  { caller }: Sent,
): void {
  const { plan, topic, partition } = watch;
  // Whoever lost its lease to one whose clock is ahead, or to a seek, does not know of it yet.
  const isHolder = watch.standing?.owner.startsWith(`${caller.name}:`) ?? false;
  const mayBeLost =
    world.plan.skewMs > 0 ||
    Object.keys(world.plan.faults).some((fault) => fault.startsWith('operator seeks'));
  if (mayBeLost && !isHolder) return;
  for (const { offset, generation = watch.generation } of places) {
    if (generation !== watch.generation || watch.twice.has(offset)) continue;
    const key = String(offset).padStart(19, '0');
    const parked = tables.row('parked', `${plan.name}:${topic}:${partition}`, key);
    const checkpoint = tables.row('checkpoints', plan.name, `${topic}:${partition}`);
    const retry = JSON.parse(String(checkpoint?.retry ?? null)) as { failures: number; atMs: number } | null;
    const isHeld = retry !== null && retry.failures > 0 && offset === watch.standing?.nextOffset;
    const dueMs = Math.max(Number(parked?.nextAttemptMs ?? 0), isHeld ? retry.atMs : 0);
    const earlyMs = dueMs - caller.latestMs;
    if (earlyMs <= 0) continue;
    world.violated(
      'a retry waits for its time',
      `${nameOf(watch)}/${offset} is attempted ${earlyMs} ms too early`,
    );
  }
}

/** What the checkpoint calls finished, and what is not parked either, its holder does not send once more. */
export function checkAnew(
  { world }: OutWitness,
  watch: Watch,
  places: readonly Place[],
  { caller }: Sent,
): void {
  const { standing, generation, parked } = watch;
  // Whoever lost it to a seek may have a walk beside the one that holds it now.
  const isSought = Object.keys(world.plan.faults).some((fault) => fault.startsWith('operator seeks'));
  if (standing === undefined || isSought || !standing.owner.startsWith(`${caller.name}:`)) return;
  for (const { offset, generation: sent = generation } of places) {
    if (sent !== generation || parked.has(offset) || !isFinished(standing, offset)) continue;
    world.violated('what is finished stays so', `${nameOf(watch)}/${offset} is sent again by ${caller.name}`);
  }
}

/** What is parked of a lane goes out before what comes later in it, and in its order. */
export function checkParked(witness: OutWitness, watch: Watch, offsets: readonly number[]): void {
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
export function sawRequest(
  { world, batches }: OutWitness,
  { subscription, request }: Arrival,
): readonly Place[] {
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

/** A record has arrived, and perhaps was taken: only one that there is, in its turn, and not again without a reason. */
export function sawRecord(witness: OutWitness, watch: Watch, place: Place, arrival: Arrival): void {
  const { world } = witness;
  const { offset, generation } = place;
  const record = partitionOf(witness, watch).records.find((each) => each.offset === offset);
  if (generation === undefined && record === undefined && witness.former.has(nameOf(watch))) return;
  if (record === undefined || (generation !== undefined && generation !== watch.generation)) {
    // A letter of a topic that is no longer followed may still be redriven.
    if (arrival.caller.name.startsWith(operatorName)) return;
    // So may what was sent before come late, of a topic that was taken for the one before it.
    if (witness.former.get(nameOf(watch))?.some(({ excused }) => excused)) return;
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
  watch.owed.delete(offset);
  // What an operator redrives no checkpoint knows of: a seek before it has it delivered once more.
  const isWalk = !arrival.caller.name.startsWith(operatorName);
  const heard = isWalk && arrival.heard && arrival.caller.alive && !arrival.caller.frozen;
  if (heard && !watch.twice.delete(offset)) {
    watch.heard.add(offset);
    watch.heardIn.set(offset, watch.standing?.epoch ?? 0);
  }
}

/** Of what was taken under a lease, no more than one window is sent again: after a crash, or once it was lost. */
function sawAgain(
  { world, configurations }: OutWitness,
  watch: Watch,
  offset: number,
  arrival: Arrival,
): void {
  if (arrival.caller.name.startsWith(operatorName)) return;
  const epoch = watch.heardIn.get(offset) ?? 0;
  const again = watch.again.get(epoch) ?? new Set();
  watch.again.set(epoch, again);
  again.add(offset);
  const calm = Object.keys(world.plan.faults).length === 0 && world.plan.skewMs === 0;
  const most = calm ? 0 : configurations.windowRecordsMax();
  if (again.size > most) {
    world.violated(
      'duplicates are bounded',
      `${nameOf(watch)}: ${again.size} records that were known to be taken in epoch ${epoch} came again, of ${most}`,
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
