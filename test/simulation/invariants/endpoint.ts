import type { EndpointsModel, Sent } from '../outside/endpoints.ts';
import { placesOf } from '../outside/places.ts';
import type { Entity, TablesModel, TableWrite } from '../outside/tables.ts';
import type { Configurations } from '../platform/configurations.ts';
import { type Instance, operatorName } from '../platform/instance.ts';
import type { SubscriptionPlan } from '../subscriptions.ts';
import type { Fault } from '../world/faults.ts';
import type { World } from '../world/world.ts';
import { watchAnswers } from './answers.ts';

/** For so long after the longest attempt a probe belongs to its run. */
const probeGraceMs = 5_000;
/** No attempt begins on a state that was asked for longer ago. */
const knownMsMax = 5_000;
/** Where nothing delays them, the two writes by which a lease may have to be renewed between the look and the attempt. */
const renewedWithinMs = 600;

/**
 * Who has the right to send one request to a broken endpoint: whoever took the probe last; where clocks disagree, those
 * before may not know yet that their time has passed.
 */
type Probers = Map<string, { used: boolean; readonly takenMs: number }>;

/** After these nobody knows whether what they have written was. */
const unheard: readonly Fault[] = ['tables lose answers', 'tables write late'];

/** What is known of the states of endpoints, by subscription. */
interface EndpointsSeen {
  readonly tables: TablesModel;
  readonly probes: ReadonlyMap<string, Probers>;
  /** When the state became what it is, and who has written that. */
  readonly changedMs: ReadonlyMap<string, number>;
  readonly changedBy: ReadonlyMap<string, string>;
}

interface Models {
  readonly tables: TablesModel;
  readonly endpoints: EndpointsModel;
  readonly configurations: Configurations;
}

/** Watches what endpoints are spared: while they are stopped or broken, and in calls at once and a second. */
export function watchEndpoints(world: World, models: Models): void {
  const { tables, endpoints, configurations } = models;
  const probes = new Map<string, Probers>();
  const changedMs = new Map<string, number>();
  const changedBy = new Map<string, string>();
  watchAnswers(world, tables, endpoints);
  const underway = new Map<string, readonly number[]>();
  const sentMs = new Map<string, number[]>();
  const soughtMs = new Map<string, number>();
  tables.onWrite((write) => {
    if (write.table !== 'checkpoints' || write.after === undefined) return;
    if (write.after.rowKey !== 'endpoint') {
      const name = `${write.after.partitionKey} ${write.after.rowKey}`;
      if (isOperator(write.writer)) soughtMs.set(name, world.nowMs());
      return;
    }
    const { partitionKey, state } = write.after;
    if (state !== (write.before?.state ?? 'active')) {
      changedMs.set(partitionKey, world.nowMs());
      changedBy.set(partitionKey, write.writer.name);
    }
    sawState(world, probes, write);
  });
  endpoints.onSent((sent) => {
    checkState(world, { tables, probes, changedMs, changedBy }, sent);
    checkRate(world, sent, sentMs);
    const { subscriptions } = configurations.of(sent.caller.name);
    const plan = subscriptions.find(({ name }) => name === sent.subscription);
    checkSize(world, sent, plan?.form);
    checkInFlight(world, sent, {
      ...{ underway, soughtMs },
      maxInFlight: plan?.maxInFlight ?? 0,
      windowRecords: configurations.of(sent.caller.name).drain.windowRecords,
    });
  });
  // A request whose token was rejected comes once more with another; both count as one.
  endpoints.onArrival(({ subscription, status, caller }) => {
    if (status !== 401) return;
    const probe = probes.get(subscription)?.get(caller.name);
    if (probe !== undefined) probe.used = false;
    sentMs.get(`${subscription} ${caller.name}`)?.pop();
  });
}

function isOperator({ name }: Instance): boolean {
  return name.startsWith(operatorName);
}

/** Whether clocks disagree by less than a probe may take longer than its attempt. */
function clocksAgree({ plan }: World): boolean {
  return 2 * plan.skewMs < probeGraceMs;
}

/** No probe is taken before its time. */
function sawState(world: World, probes: Map<string, Probers>, { before, after, writer }: TableWrite): void {
  const { partitionKey, state, probeAtMs, openings } = after as Entity;
  const isTaken =
    state === 'broken' &&
    before?.state === 'broken' &&
    openings === before.openings &&
    probeAtMs !== before.probeAtMs;
  if (!isTaken) {
    if (clocksAgree(world)) probes.delete(partitionKey);
    else probes.get(partitionKey)?.delete(writer.name);
    return;
  }
  const probers: Probers = clocksAgree(world) ? new Map() : new Map(probes.get(partitionKey));
  probes.set(partitionKey, probers.set(writer.name, { used: false, takenMs: world.nowMs() }));
  const earlyMs = Number(before.probeAtMs) - writer.latestMs;
  if (earlyMs <= 0) return;
  world.violated(
    'a broken endpoint is left alone',
    `${writer.name} takes the probe of ${partitionKey} ${earlyMs} ms too early`,
  );
}

/** As soon as everybody must have looked, a stopped endpoint is left alone, and a broken one gets one probe at a time. */
function checkState(
  world: World,
  { tables, probes, changedMs, changedBy }: EndpointsSeen,
  { subscription, caller, request }: Sent,
): void {
  const state = tables.row('checkpoints', subscription, 'endpoint')?.state ?? 'active';
  const { plan, nowMs } = world;
  // A token, or consent, that comes before the request takes of its time.
  const { timeoutMs = 0 } = plan.subscriptions.find(({ name }) => name === subscription) ?? {};
  const beganMs = nowMs() - Math.max(0, timeoutMs - request.timeoutMs);
  const longMs = beganMs - (changedMs.get(subscription) ?? 0);
  const probe = probes.get(subscription)?.get(caller.name);
  // Another probe has found it well meanwhile.
  if (state === 'active' && probe !== undefined) probe.used = true;
  if (state === 'active' || longMs < 0) return;
  // What began before has waited for a token, or for consent.
  const isProbe = state === 'broken' && probe?.used === false && beganMs >= probe.takenMs;
  if (isProbe) probe.used = true;
  if (isProbe && placesOf(request).length > 1) {
    world.violated('limits are kept', `${caller.name} probes ${subscription} with more than one record`);
  }
  // A renewal that takes longer than the lease comes too late for an attempt.
  const leaseMs = Math.max(plan.drain.leaseMs, request.timeoutMs * 2);
  const isDelayed =
    Object.keys(plan.faults).some((fault) => fault.startsWith('tables ')) ||
    nowMs() - caller.thawedMs < leaseMs;
  const allowedMs = knownMsMax + (isDelayed ? leaseMs : renewedWithinMs);
  // By a clock that was set back since, it may not be so long ago.
  const setBackMs = nowMs() - caller.setMs < allowedMs + 2 * plan.skewMs ? 2 * plan.skewMs : 0;
  // Whoever has found it broken knows that at once, unless it was frozen on the way.
  const isFinder = state === 'broken' && changedBy.get(subscription) === caller.name && !isOperator(caller);
  const hasHeard = unheard.every((fault) => plan.faults[fault] === undefined);
  const knows = isFinder && hasHeard && longMs > 0 && caller.thawedMs < (changedMs.get(subscription) ?? 0);
  if (isProbe || (!knows && longMs <= allowedMs + setBackMs)) return;
  world.violated(
    state === 'broken' ? 'a broken endpoint is left alone' : 'a stop takes hold',
    `${subscription} has been ${state} for ${longMs} ms, and ${caller.name} sends`,
  );
}

/** No instance sends faster than it may; a second's worth may have been saved up. */
function checkRate(world: World, { subscription, caller }: Sent, sentMs: Map<string, number[]>): void {
  const { ratePerSecond } = world.plan.subscriptions.find(({ name }) => name === subscription) ?? {};
  if (ratePerSecond === undefined) return;
  const name = `${subscription} ${caller.name}`;
  const nowMs = world.nowMs();
  const recent = (sentMs.get(name) ?? []).filter((atMs) => atMs > nowMs - 1_000);
  recent.push(nowMs);
  sentMs.set(name, recent);
  if (recent.length > ratePerSecond * 2 + 1) {
    world.violated('limits are kept', `${name} sends ${recent.length} in a second, of ${ratePerSecond}`);
  }
}

/** No request carries more than its form allows; what is too large for any goes alone. */
function checkSize(
  world: World,
  { subscription, request }: Sent,
  form: SubscriptionPlan['form'] | undefined,
): void {
  const records = placesOf(request).length;
  const { recordsMax, bytesMax } = typeof form === 'object' ? form : { recordsMax: 1, bytesMax: 0 };
  // Brackets, and commas between the records.
  const bytes = Buffer.byteLength(request.body ?? '') - records - 1;
  if (records <= 1 || (records <= recordsMax && bytes <= bytesMax)) return;
  world.violated('limits are kept', `${subscription} gets ${records} records of ${bytes} bytes at once`);
}

/** What an instance may have under way of one partition, and has. */
interface InFlight {
  /** The sizes of requests, by partition and instance. */
  readonly underway: Map<string, readonly number[]>;
  /** When an operator has sought in each partition. */
  readonly soughtMs: ReadonlyMap<string, number>;
  readonly maxInFlight: number;
  readonly windowRecords: number;
}

/** Of one partition an instance has no more requests under way than it may, nor more records than its window. */
function checkInFlight(
  world: World,
  { subscription, caller, request, lastsMs }: Sent,
  { underway, soughtMs, maxInFlight, windowRecords }: InFlight,
): void {
  // What lasts no time is over when the next may begin.
  if (lastsMs < 1) return;
  const places = placesOf(request);
  const place = `${subscription} ${places[0]?.topic}:${places[0]?.partition}`;
  const name = `${place} ${caller.name}`;
  const now = [...(underway.get(name) ?? []), places.length];
  underway.set(name, now);
  // Until just before its caller knows how it ended.
  world.after(lastsMs - 1, () => {
    const sizes = underway.get(name) ?? [];
    underway.set(name, sizes.toSpliced(sizes.indexOf(places.length), 1));
  });
  // A walk from which somebody has sought away goes on beside the next until it writes.
  const { leaseMs } = world.plan.drain;
  if (world.nowMs() - (soughtMs.get(place) ?? 0) < Math.max(leaseMs, request.timeoutMs * 2)) return;
  const records = now.reduce((sum, each) => sum + each, 0);
  if (now.length <= maxInFlight && records <= windowRecords) return;
  const most = `of ${maxInFlight} and ${windowRecords}`;
  world.violated('limits are kept', `${name} has ${now.length} requests of ${records} records, ${most}`);
}
