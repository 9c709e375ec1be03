import { Heap } from '../../../src/shared/heap.ts';
import type { Plan } from '../plan.ts';
import { type Chance, createChance } from './chance.ts';
import type { Fault } from './faults.ts';

/**
 * The world that a run lives in: virtual time, what is going to happen in it, misfortune, and what was noticed.
 * Nothing happens by itself: the world takes what is due next, lets everything that this sets in motion come to
 * rest, and goes on. Where two things are due at once, chance decides which comes first.
 */
export interface World {
  readonly plan: Plan;
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Lets something happen after a while; the function returned makes it not happen. */
  after(delayMs: number, happen: () => void): () => void;
  /** Whether a fault strikes now. Each kind has a stream of chance of its own, so that one can be left out. */
  strikes(fault: Fault): boolean;
  /** Whether a fault that is due strikes: it does, unless the plan says which ones do. */
  befalls(fault: Fault): boolean;
  /** The stream of chance called `name`. */
  chance(name: string): Chance;
  /** Tells the timeline. The line is only made when somebody keeps it. */
  note(who: string, what: () => string): void;
  /** A promise was broken; the run ends. What is broken after it is not told. */
  violated(invariant: string, detail: string): void;
  /** From now on nothing goes wrong any more. */
  heal(): void;
  readonly healed: boolean;
  readonly violation: Violation | undefined;
  /** How often each kind of fault struck. */
  readonly struck: ReadonlyMap<Fault, number>;
  /** How many things have happened. */
  readonly steps: number;
  /** Lives until a time, or until `done`, or until a promise is broken. True: `done` came. */
  live(untilMs: number, done?: () => boolean): Promise<boolean>;
}

/** A promise that was broken. */
export interface Violation {
  readonly invariant: string;
  readonly detail: string;
  readonly atMs: number;
}

/** When every world begins: 2026-01-01T00:00:00Z. */
export const beginningMs = Date.UTC(2026, 0, 1);
/** A run that does more than this does not end. */
const stepsMax = 400_000;

interface Happening {
  readonly atMs: number;
  /** Decides between what is due at once. */
  readonly rank: number;
  readonly order: number;
  happen: (() => void) | undefined;
}

/** Makes the world of a plan. `tell` gets the timeline, line by line. */
export function createWorld(plan: Plan, tell?: (line: string) => void): World {
  let nowMs = beginningMs;
  let order = 0;
  let steps = 0;
  let healed = false;
  let violation: Violation | undefined;
  const heap = new Heap<Happening>(isBefore);
  const ranks = createChance(plan.seed, 'ranks');
  const struck = new Map<Fault, number>();
  const due = new Map<Fault, number>();
  const luck = new Map<Fault, Chance>();

  const world: World = {
    plan,
    nowMs: () => nowMs,
    after(delayMs, happen) {
      const happening: Happening = {
        atMs: nowMs + Math.max(0, Math.ceil(delayMs)),
        rank: ranks.next(),
        order,
        happen,
      };
      order += 1;
      heap.add(happening);
      return () => {
        happening.happen = undefined;
      };
    },
    strikes(fault) {
      const rate = plan.faults[fault];
      if (rate === undefined || healed) return false;
      let chance = luck.get(fault);
      if (chance === undefined) {
        chance = createChance(plan.seed, fault);
        luck.set(fault, chance);
      }
      return chance.happens(rate) && world.befalls(fault);
    },
    befalls(fault) {
      const number = (due.get(fault) ?? 0) + 1;
      due.set(fault, number);
      if (plan.strikes?.has(strikeOf(fault, number)) === false) return false;
      struck.set(fault, (struck.get(fault) ?? 0) + 1);
      world.note('FAULT', () => strikeOf(fault, number));
      return true;
    },
    chance: (name) => createChance(plan.seed, name),
    note: (who, what) => tell?.(`${seconds(nowMs)}  ${who.padEnd(14)} ${what()}`),
    violated(invariant, detail) {
      if (violation !== undefined) return;
      violation = { invariant, detail, atMs: nowMs };
      world.note('VIOLATION', () => `${invariant}: ${detail}`);
    },
    heal: () => {
      healed = true;
      world.note('world', () => 'heals');
    },
    get healed() {
      return healed;
    },
    get violation() {
      return violation;
    },
    get steps() {
      return steps;
    },
    struck,
    async live(untilMs, done) {
      for (;;) {
        await settled();
        if (violation !== undefined) return false;
        if (done?.()) return true;
        while (heap.first !== undefined && heap.first.happen === undefined) heap.take();
        const next = heap.first;
        if (next?.happen === undefined || next.atMs > untilMs) {
          nowMs = Math.max(nowMs, untilMs);
          return false;
        }
        heap.take();
        steps += 1;
        if (steps > stepsMax) world.violated('the world comes to rest', `more than ${stepsMax} steps`);
        nowMs = next.atMs;
        next.happen();
      }
    },
  };
  return world;
}

/** One strike of a fault by its number, counted from 1 among those of its kind that were due. */
export function strikeOf(fault: Fault, number: number): string {
  return `${fault} (${number})`;
}

/** Resolves when no promise reaction is left to run: Node empties that queue before the next tick. */
function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** Time since the beginning, in seconds. */
export function seconds(atMs: number): string {
  return ((atMs - beginningMs) / 1000).toFixed(3).padStart(9);
}

function isBefore(one: Happening, other: Happening): boolean {
  if (one.atMs !== other.atMs) return one.atMs < other.atMs;
  return one.rank === other.rank ? one.order < other.order : one.rank < other.rank;
}
