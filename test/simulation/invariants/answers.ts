import type { EndpointsModel, Sent } from '../outside/endpoints.ts';
import type { TablesModel, TableWrite } from '../outside/tables.ts';
import { operatorName } from '../platform/instance.ts';
import type { SubscriptionPlan } from '../subscriptions.ts';
import type { Fault } from '../world/faults.ts';
import type { World } from '../world/world.ts';
import { isStopped } from './stored.ts';

/** An instance may not know of a new state for so long; what it heard meanwhile it may have taken for the old one. */
const unsureMs = 6_000;
/** A receiver that is gone is noted as such within this, where nothing keeps the note from being written. */
const notedWithinMs = 30_000;
/** The state is written this soon, where nothing delays that. */
const writtenWithinMs = 2_000;
const keepFromWriting: readonly Fault[] = [
  'tables throttle',
  'tables lose answers',
  'tables write late',
  'tables are away',
];
/** Attempts that lie further back say nothing of an endpoint now. */
const windowMs = 300_000;

/** What one instance has heard of an endpoint since its state changed. */
interface Heard {
  /** When attempts failed, since the last one that did not. */
  failedMs: number[];
  /** When the last one did not. */
  wellMs: number;
  /** No attempt before this, by the instance's clock. */
  waitUntilMs: number;
  /** How many attempts have failed since the instance changed the state itself, and so knows of the change. */
  failures: number;
  /** The receiver asked to be left alone since then. */
  asked: boolean;
}

/** What is known of an endpoint. */
interface Seen {
  changedMs: number;
  /** The instance that has written the state as it is, and so knows of it. */
  changedBy: string;
  stoppedMs: number;
  readonly heard: Map<string, Heard>;
}

/** What speaks of credentials, URL or method counts too, but for batches that are split: some of it may have counted. */
const mayFail = (status: number | undefined) =>
  failing(status) || (status !== undefined && status > 400 && status < 408 && status !== 406);
const failing = (status: number | undefined) =>
  status === undefined ||
  [402, 403, 404, 405, 407, 408, 425, 429].includes(status) ||
  status >= 500 ||
  (status > 299 && status < 400);

/** Watches that instances heed what endpoints answer: failures, `Retry-After` and 410. */
export function watchAnswers(world: World, tables: TablesModel, endpoints: EndpointsModel): void {
  const seen = new Map<string, Seen>();
  const certain = keepFromWriting.every((fault) => world.plan.faults[fault] === undefined);
  const delaying = ['tables are slow', 'tables answer a repetition'] as const;
  const isPrompt = certain && delaying.every((fault) => world.plan.faults[fault] === undefined);

  function seenOf(subscription: string): Seen {
    let found = seen.get(subscription);
    if (found === undefined) {
      found = { changedMs: 0, changedBy: '', stoppedMs: Number.NEGATIVE_INFINITY, heard: new Map() };
      seen.set(subscription, found);
    }
    return found;
  }

  tables.onWrite((write) => {
    if (write.table !== 'checkpoints' || write.after?.rowKey !== 'endpoint') return;
    const endpoint = seenOf(write.after.partitionKey);
    checkBreak(world, endpoint, write);
    if (isPrompt) checkOpenMs(world, write);
    if (isStopped(write.before) && !write.writer.name.startsWith(operatorName)) {
      const was = write.before?.state;
      world.violated(
        'a stop lasts until it is resumed',
        `${write.writer.name} makes ${write.after.partitionKey} ${write.after.state}, which was ${was}`,
      );
    }
    if (isStopped(write.before) || isStopped(write.after)) endpoint.stoppedMs = world.nowMs();
    endpoint.changedMs = world.nowMs();
    endpoint.changedBy = write.writer.name;
    for (const heard of endpoint.heard.values()) {
      heard.failedMs = [];
      heard.waitUntilMs = 0;
    }
    const own = endpoint.heard.get(write.writer.name);
    if (own !== undefined && certain) {
      own.failures = 0;
      own.asked = false;
    }
  });
  endpoints.onSent((sent) => {
    if (sent.caller.name.startsWith(operatorName)) return;
    const endpoint = seenOf(sent.subscription);
    const heard = heardBy(endpoint, sent.caller.name);
    if (certain) checkSpared(world, sent, heard);
    const { changedMs } = endpoint;
    const knowsState = world.nowMs() - changedMs > unsureMs || endpoint.changedBy === sent.caller.name;
    // Just before its caller knows, and may act on it.
    world.after(sent.lastsMs - 1, () => {
      if (mayFail(sent.status)) heard.failures += 1;
      if (sent.retryAfter !== undefined) heard.asked = true;
    });
    // Its caller has heard of it by then.
    world.after(sent.lastsMs + 1, () => {
      const { caller } = sent;
      if (!caller.alive || caller.frozen || world.nowMs() - caller.thawedMs < unsureMs) heard.failedMs = [];
      // What was sent before a change may be heard when its caller knows of that, or not.
      else if (knowsState && endpoint.changedMs === changedMs) hear(sent, heard);
    });
  });

  function hear({ subscription, caller, status, retryAfter = '' }: Sent, heard: Heard): void {
    const nowMs = world.nowMs();
    if (!failing(status)) {
      heard.failedMs = [];
      heard.wellMs = nowMs;
    }
    // Of two answers within a millisecond nobody knows which its caller has heard first.
    else if (heard.wellMs < nowMs) heard.failedMs.push(nowMs);
    const untilMs = /^\d+$/.test(retryAfter)
      ? caller.clock.now() - 1 + Number(retryAfter) * 1_000
      : Date.parse(retryAfter);
    if (untilMs > heard.waitUntilMs) heard.waitUntilMs = untilMs;
    if (status !== 410 || !certain) return;
    world.after(notedWithinMs, () => {
      const isNoted =
        isStopped(tables.row('checkpoints', subscription, 'endpoint')) ||
        seenOf(subscription).stoppedMs > nowMs - unsureMs;
      const wasAwake = caller.alive && !caller.frozen && caller.thawedMs < nowMs;
      if (isNoted || !wasAwake) return;
      world.violated('a receiver that is gone is left alone', `${caller.name} heard 410 of ${subscription}`);
    });
  }
}

function heardBy({ heard }: Seen, instance: string): Heard {
  let found = heard.get(instance);
  if (found === undefined) {
    found = { failedMs: [], wellMs: 0, waitUntilMs: 0, failures: 0, asked: false };
    heard.set(instance, found);
  }
  return found;
}

/**
 * An endpoint is broken only by whoever has heard it fail often enough, or was asked to leave it alone; and found so once
 * more by whoever has heard a probe fail.
 */
function checkBreak(world: World, endpoint: Seen, { before, after, writer }: TableWrite): void {
  const isAgain = before?.state === 'broken';
  if (after?.state !== 'broken' || (isAgain && after.openings === before.openings)) return;
  // What a redrive of theirs has heard is not kept.
  if (writer.name.startsWith(operatorName)) return;
  const { failures, asked } = heardBy(endpoint, writer.name);
  const { breaker } = planOf(world, after.partitionKey);
  const least = isAgain ? 1 : breaker.failureRatio * breaker.attemptsMin;
  // Where no token or consent can be had, attempts fail that never left.
  const { tokenSeconds, consent } = world.plan.proofs[after.partitionKey] ?? {};
  const mayFailBefore = tokenSeconds !== undefined || consent !== undefined;
  if (asked || failures >= least || mayFailBefore) return;
  world.violated(
    'nothing good is broken',
    `${writer.name} has heard of ${failures} failures of ${after.partitionKey}, of ${least}`,
  );
}

/** Each time that it is found broken it is left alone for longer. */
function checkOpenMs(world: World, { before, after, writer }: TableWrite): void {
  const openings = Number(after?.openings);
  const isFound = after?.state === 'broken' && (before?.state !== 'broken' || openings !== before.openings);
  if (!isFound || world.nowMs() - Math.max(writer.thawedMs, writer.setMs) < unsureMs) return;
  const { openMs, openMsMax } = planOf(world, after.partitionKey).breaker;
  const leastMs = Math.min(openMs * 2 ** (openings - 1), openMsMax) - writtenWithinMs;
  const leftMs = Number(after.probeAtMs) - writer.clock.now();
  if (leftMs >= leastMs) return;
  world.violated(
    'a broken endpoint is left alone',
    `${writer.name} leaves ${after.partitionKey} alone for ${leftMs} ms after failure ${openings} in a row`,
  );
}

/** Nobody sends who was asked to wait, or has heard only of failures. */
function checkSpared(world: World, { subscription, caller }: Sent, heard: Heard): void {
  const earlyMs = heard.waitUntilMs - caller.latestMs;
  if (earlyMs > 0) {
    world.violated(
      'Retry-After is honoured',
      `${caller.name} sends to ${subscription} ${earlyMs} ms too early`,
    );
  }
  const { attemptsMin } = planOf(world, subscription).breaker;
  const last = heard.failedMs.at(-attemptsMin);
  if (last === undefined || world.nowMs() - last > windowMs) return;
  world.violated(
    'an endpoint that fails is left alone',
    `${caller.name} sends to ${subscription} after ${heard.failedMs.length} failures, of ${attemptsMin}`,
  );
}

function planOf({ plan }: World, subscription: string): SubscriptionPlan {
  return plan.subscriptions.find(({ name }) => name === subscription) as SubscriptionPlan;
}
