import type { OperationName } from '../../../src/operate/operate.ts';
import type { ReplaysModel } from '../outside/replays.ts';
import type { TablesModel } from '../outside/tables.ts';
import type { TopicLog } from '../outside/topic-log.ts';
import type { App } from '../platform/app.ts';
import { type Instance, operatorName, startInstance } from '../platform/instance.ts';
import type { Chance } from '../world/chance.ts';
import { everyMinute } from '../world/every-minute.ts';
import type { World } from '../world/world.ts';
import { startReplays } from './replays.ts';
import { startSeeks } from './seeks.ts';

const pausedMsMax = 120_000;
/** Operators look at what has stopped this often. */
const lookEveryMs = 45_000;
const lettersMax = 20;
/** The platform waits no longer for a function that answers a request. */
const answeredWithinMs = 230_000;
/** Comes when the usual operator is busy. */
const otherName = `${operatorName}2`;
/** Who stops a probe does so this soon. */
const soonMsMax = 1_000;
/** Who resumes what a loss has halted does so within this. */
const resumedWithinMs = 20_000;
/** Who redrives too begins so soon after the first. */
const followsMsMax = 3_000;

/** Does what an operator asks for; undefined: it failed, and somebody does it again, or not. */
export type Act = (what: string, name: OperationName, request: object) => Promise<unknown>;

/** Those who handle the bridge. */
export interface Operators {
  /** Everything that they asked for was answered in time. */
  checkAnswered(): void;
}

/** What operators work with. */
export interface OperatorsTools {
  readonly tables: TablesModel;
  readonly log: TopicLog;
  readonly act: Act;
  /** Shared by all that they do of old. */
  readonly chance: Chance;
}

/** Lets operators work: they pause, seek, redrive and discard now and then, and resume whatever has stopped. */
export function startOperators(
  world: World,
  {
    start,
    tables,
    log,
    replays,
  }: {
    start: (instance: Instance) => Promise<App>;
    tables: TablesModel;
    log: TopicLog;
    replays: ReplaysModel;
  },
): Operators {
  const unanswered = new Set<{ readonly what: string; readonly sinceMs: number }>();
  /** An operator who asks by an instance of their own. */
  const actAs = (operator: string): Act => {
    const app = start(startInstance(world, operator, 0));
    return async (what, name, request) => {
      world.note(operator, () => what);
      const asked = { what, sinceMs: world.nowMs() };
      unanswered.add(asked);
      const { bridge, invocation } = await app;
      const answer = await bridge.operate(name, { query: {}, body: JSON.stringify(request) }, invocation());
      unanswered.delete(asked);
      if (answer.status === 200) return JSON.parse(answer.body);
      world.note(operator, () => `${what} failed: ${answer.body}`);
      return undefined;
    };
  };
  const tools: OperatorsTools = { tables, log, act: actAs(operatorName), chance: world.chance('operators') };
  startPauses(world, tools);
  startSeeks(world, tools);
  startRedrives(world, tools, () => actAs(otherName));
  startReplays(world, { tables, log, replays, actAs }, `${operatorName}3`);
  return {
    checkAnswered() {
      for (const { what, sinceMs } of unanswered) {
        if (world.nowMs() - sinceMs > answeredWithinMs) world.violated('operators are answered', what);
      }
    },
  };
}

function startPauses(world: World, { tables, act, chance }: OperatorsTools): void {
  const { subscriptions } = world.plan;
  /** How often operators have changed the state of each endpoint. */
  const changes = new Map<string, number>();
  tables.onWrite(({ after, writer }) => {
    if (after?.rowKey !== 'endpoint' || !writer.name.startsWith(operatorName)) return;
    changes.set(
      `${after.partitionKey} ${after.state}`,
      changesTo(after.partitionKey, String(after.state)) + 1,
    );
  });
  const changesTo = (subscription: string, state: string) => changes.get(`${subscription} ${state}`) ?? 0;

  /** Asks for a state, and sees that what is answered is so: it was already, or it was written. */
  const change = async (name: 'pause' | 'resume', subscription: string, wanted: readonly string[]) => {
    const [first = ''] = wanted;
    const before = changesTo(subscription, first);
    const done = await act(`${name}s ${subscription}`, name, { subscription });
    if (done === undefined) return;
    const outcome = done as { readonly before: { state: string }; readonly now: { state: string } };
    const wasSo = wanted.includes(outcome.before.state);
    if (wanted.includes(outcome.now.state) && (wasSo || changesTo(subscription, first) > before)) return;
    world.violated('operators are told the truth', `${subscription} is said to be ${outcome.now.state}`);
  };
  const resume = (subscription: string) => change('resume', subscription, ['active']);
  const pause = (subscription: string, forMs: number) => {
    world.after(forMs, () => resume(subscription));
    change('pause', subscription, ['paused', 'disabled']);
  };

  everyMinute(world, 'operator pauses', () => {
    const { name } = chance.oneOf(subscriptions);
    pause(name, chance.integer(1_000, pausedMsMax));
  });
  const moments = world.chance('moments of pauses');
  tables.onWrite(({ before, after }) => {
    const isProbe =
      after?.rowKey === 'endpoint' &&
      after.state === 'broken' &&
      after.openings === before?.openings &&
      after.probeAtMs !== before?.probeAtMs;
    if (!isProbe || !world.strikes('operator stops a probe')) return;
    const forMs = moments.integer(1_000, pausedMsMax);
    const others = moments.happens(0.5);
    world.after(moments.integer(0, soonMsMax), () => {
      pause(after.partitionKey, forMs);
      // Somebody else, who does not know of it, resumes the endpoint just now.
      if (others) resume(after.partitionKey);
    });
  });
  tables.onWrite(({ after, writer }) => {
    const isHalt =
      after?.rowKey === 'endpoint' && after.state === 'paused' && !writer.name.startsWith(operatorName);
    if (!isHalt || !world.strikes('operator resumes a loss')) return;
    world.after(moments.integer(1_000, resumedWithinMs), () => resume(after.partitionKey));
  });
  const look = () => {
    world.after(lookEveryMs, look);
    for (const { name } of subscriptions) {
      const state = tables.row('checkpoints', name, 'endpoint')?.state;
      if (state === 'disabled' || (state === 'paused' && world.healed)) resume(name);
    }
  };
  world.after(lookEveryMs, look);
}

function startRedrives(world: World, { tables, act, chance }: OperatorsTools, startOther: () => Act): void {
  const { subscriptions } = world.plan;
  /** An operator, and those whose letters they handle now. */
  const first = { name: operatorName, act, busyWith: new Set<string>() };
  let second: typeof first | undefined;

  // A claim that was given up may take effect while they handle other letters.
  const mayComeLate = world.plan.faults['tables write late'] !== undefined;
  const heldBy = (operator: string, origin: string) =>
    tables
      .rows('deadletters', origin)
      .filter(({ settledBy }) => String(settledBy).endsWith(`-${operator}`))
      .filter(({ claimedUntil }) => Number(claimedUntil) > world.nowMs())
      .map(({ rowKey }) => rowKey);

  /** Handles letters by whoever is free. What operators are told of letters is so, and they let go of all they took. */
  const handle = async (what: string, name: OperationName, origin: string) => {
    if (first.busyWith.has(origin)) second ??= { name: otherName, act: startOther(), busyWith: new Set() };
    const by = [first, second].find((each) => each?.busyWith.has(origin) === false);
    if (by === undefined) return;
    by.busyWith.add(origin);
    const before = new Set(heldBy(by.name, origin));
    const done = await by.act(`${what} ${origin}`, name, { origin, max: lettersMax });
    by.busyWith.delete(origin);
    if (done === undefined) return;
    const { letters } = done as { letters: readonly { key: string; outcome: string }[] };
    for (const { key, outcome } of letters) {
      const state = tables.row('deadletters', origin, key)?.state;
      if ((outcome !== 'redriven' && outcome !== 'discarded') || outcome === state) continue;
      world.violated('operators are told the truth', `${key} of ${origin} is ${state}, not ${outcome}`);
    }
    for (const key of mayComeLate ? [] : heldBy(by.name, origin)) {
      if (!before.has(key)) world.violated('letters are let go of', `${by.name} keeps ${key} of ${origin}`);
    }
  };

  const follows = world.chance('redrives at once');
  everyMinute(world, 'operator redrives', () => {
    const { name } = chance.oneOf(subscriptions);
    const redrive = () => handle('redrives', 'redriveDeadLetters', name);
    redrive();
    if (world.strikes('operators redrive at once')) world.after(follows.integer(0, followsMsMax), redrive);
  });
  const discards = world.chance('discards');
  everyMinute(world, 'operator discards', () => {
    handle('discards', 'discardDeadLetters', discards.oneOf(subscriptions).name);
  });
}
