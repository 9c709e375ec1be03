import type { TopicRecord } from '../events/record.ts';
import { Heap } from '../shared/heap.ts';
import type { ParkedEntry } from './ports.ts';
import type { Progress } from './progress.ts';

/**
 * What records of a partition are kept in order: all (`partition`), those of one key (`key`; records without a key
 * have no order among each other), or none.
 */
export type Ordering = 'partition' | 'key' | 'none';

/** A record that was read and is not finished. */
export interface Waiting {
  readonly record: TopicRecord;
  /** The offsets from here up to its own hold no other record, and finish with it. */
  readonly fromOffset: bigint;
  readonly bytes: number;
}

/**
 * Records that go out one after another. The parked ones, if any, come before those that wait, so a lane goes on from
 * its parked head. While it is `busy`, records of it have been taken, and no others are.
 */
export interface Lane {
  readonly key: string | null;
  readonly parked: ParkedEntry[];
  readonly waiting: Waiting[];
  state: 'idle' | 'ready' | 'parked' | 'busy';
}

/** A record that was taken off its lane, to be sent or parked. */
export interface TakenWaiting {
  readonly lane: Lane;
  readonly waiting: Waiting;
}

/** A parked record that was taken on, and stays at the head of its lane until it is dealt with. */
export interface TakenParked {
  readonly lane: Lane;
  readonly entry: ParkedEntry;
}

/**
 * Says which records may go next, so that of each lane the order is kept. Fresh ones go in the order of their offsets
 * as far as their lanes are free: what is finished stays close together, and nothing waits while newer records go.
 */
export class Lanes {
  readonly #ordering: Ordering;
  /** Lanes that another record may join; a record without order has a lane of its own, which is not among them. */
  readonly #byKey = new Map<string, Lane>();
  /** Lanes that were idle and whose first record may go, in the order of that record: as records are added. */
  readonly #beginning: Lane[] = [];
  /** Lanes that were busy and whose next record may go. */
  readonly #goingOn = new Heap<Lane>(isOlder);
  readonly #parked = new Set<Lane>();
  /** No parked lane is due before this. */
  #noneDueBeforeMs = 0;
  /** Whether a record may wait behind a parked lane. */
  #someBehind = false;
  #waitingCount = 0;
  #waitingBytes = 0;
  #readyCount = 0;

  constructor(ordering: Ordering) {
    this.#ordering = ordering;
  }

  /** Records that wait, in whatever lane. */
  get waitingCount(): number {
    return this.#waitingCount;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Records that wait in lanes from which can be taken now. */
  get readyCount(): number {
    return this.#readyCount;
  }

  /** A record was read, further on in the log than all before: it goes behind all others of its lane. */
  add(waiting: Waiting): void {
    const lane = this.#laneOf(waiting.record.key);
    lane.waiting.push(waiting);
    this.#waitingCount += 1;
    this.#waitingBytes += waiting.bytes;
    if (lane.state === 'ready') this.#readyCount += 1;
    else if (lane.state === 'parked') this.#someBehind = true;
    else if (lane.state === 'idle') {
      this.#beginning.push(lane);
      this.#noteReady(lane);
    }
  }

  /** Parked records were found in the store, in the order of their offsets: they come before all others. */
  adopt(entries: readonly ParkedEntry[]): void {
    for (const entry of entries) {
      const lane = this.#laneOf(entry.key);
      lane.parked.push(entry);
      if (lane.state !== 'idle') continue;
      lane.state = 'parked';
      this.#parked.add(lane);
    }
    this.#noneDueBeforeMs = 0;
  }

  /** Takes the oldest records that may go, at most `max` of at most `rangesMax` ranges, in the order of their offsets. */
  take(max: number, rangesMax: number): TakenWaiting[] {
    let ranges = 0;
    let end = -1n;
    return this.#takeReady(max, ({ fromOffset, record }) => {
      if (fromOffset !== end) ranges += 1;
      end = record.offset + 1n;
      return ranges <= rangesMax;
    });
  }

  /** Takes the record that holds `progress` back, if it may go, and those that move it on with that one. */
  takeLowest(progress: Pick<Progress, 'nextOffset' | 'firstUnfinished'>, max: number): TakenWaiting[] {
    let { nextOffset } = progress;
    return this.#takeReady(max, ({ fromOffset, record }) => {
      if (fromOffset > nextOffset) return false;
      nextOffset = progress.firstUnfinished(record.offset + 1n);
      return true;
    });
  }

  /** Takes parked records that are due, at most `max`, which all failed equally often. */
  takeDue(nowMs: number, max: number): TakenParked[] {
    if (nowMs < this.#noneDueBeforeMs) return [];
    const taken: TakenParked[] = [];
    let failures: number | undefined;
    let nextDueMs = Number.POSITIVE_INFINITY;
    for (const lane of this.#parked) {
      const [head] = lane.parked;
      if (lane.state !== 'parked' || head === undefined) continue;
      nextDueMs = Math.min(nextDueMs, head.nextAttemptMs);
      failures ??= head.nextAttemptMs <= nowMs ? head.failures : undefined;
      for (const entry of lane.parked) {
        if (taken.length === max) return taken;
        if (entry.nextAttemptMs > nowMs || entry.failures !== failures) break;
        taken.push({ lane, entry });
        lane.state = 'busy';
      }
    }
    if (taken.length === 0) this.#noneDueBeforeMs = nextDueMs;
    return taken;
  }

  /** Takes records that wait behind parked ones, at most `max`. */
  takeBehind(max: number): TakenWaiting[] {
    if (!this.#someBehind || max <= 0) return [];
    const taken: TakenWaiting[] = [];
    for (const lane of this.#parked) {
      if (taken.length === max) return taken;
      if (lane.state === 'parked' && lane.waiting.length > 0) this.#takeOf(lane, max - taken.length, taken);
    }
    if (taken.length === 0) this.#someBehind = false;
    return taken;
  }

  /** Nobody works on the lane any more: its next record may go. */
  free(lane: Lane): void {
    if (lane.parked.length > 0) {
      lane.state = 'parked';
      this.#parked.add(lane);
      this.#noneDueBeforeMs = 0;
      this.#someBehind ||= lane.waiting.length > 0;
      return;
    }
    this.#parked.delete(lane);
    if (lane.waiting.length > 0) {
      this.#goingOn.add(lane);
      this.#noteReady(lane);
      return;
    }
    lane.state = 'idle';
    if (this.#isShared(lane.key)) this.#byKey.delete(this.#nameOf(lane.key));
  }

  /** When the first parked lane is due; undefined when nothing is parked. */
  nextAttemptMs(): number | undefined {
    let nextMs: number | undefined;
    for (const { parked } of this.#parked) {
      const [head] = parked;
      if (head !== undefined) nextMs = Math.min(nextMs ?? head.nextAttemptMs, head.nextAttemptMs);
    }
    return nextMs;
  }

  /** Takes ready records in the order of their offsets, until one is not `wanted`. */
  #takeReady(max: number, wanted: (waiting: Waiting) => boolean): TakenWaiting[] {
    const taken: TakenWaiting[] = [];
    /** Lanes that records were taken from here, and that have more. */
    const begun = new Heap<Lane>(isOlder);
    while (taken.length < max) {
      const [beginning] = this.#beginning;
      const lane = olderOf(olderOf(beginning, this.#goingOn.first), begun.first);
      const head = lane?.waiting[0];
      if (lane === undefined || head === undefined || !wanted(head)) break;
      if (lane === beginning) this.#beginning.shift();
      else if (lane.state === 'ready') this.#goingOn.take();
      else begun.take();
      this.#takeOf(lane, 1, taken);
      if (lane.waiting.length > 0) begun.add(lane);
    }
    return taken;
  }

  #takeOf(lane: Lane, max: number, taken: TakenWaiting[]): void {
    if (lane.state === 'ready') this.#readyCount -= lane.waiting.length;
    lane.state = 'busy';
    const until = taken.length + Math.min(max, lane.waiting.length);
    while (taken.length < until) {
      const waiting = lane.waiting.shift();
      if (waiting === undefined) break;
      taken.push({ lane, waiting });
      this.#waitingCount -= 1;
      this.#waitingBytes -= waiting.bytes;
    }
  }

  #noteReady(lane: Lane): void {
    lane.state = 'ready';
    this.#readyCount += lane.waiting.length;
  }

  #laneOf(key: string | null): Lane {
    const shared = this.#isShared(key);
    const known = shared ? this.#byKey.get(this.#nameOf(key)) : undefined;
    if (known !== undefined) return known;
    const lane: Lane = { key, parked: [], waiting: [], state: 'idle' };
    if (shared) this.#byKey.set(this.#nameOf(key), lane);
    return lane;
  }

  #isShared(key: string | null): boolean {
    return this.#ordering === 'partition' || (this.#ordering === 'key' && key !== null);
  }

  #nameOf(key: string | null): string {
    return this.#ordering === 'partition' ? '' : (key ?? '');
  }
}

/** How many ranges of offsets these records are, which stand in the order of their offsets. */
export function rangesOf(taken: readonly TakenWaiting[]): number {
  return taken.filter(({ waiting }, index) => {
    const before = taken[index - 1]?.waiting.record;
    return before === undefined || before.offset + 1n !== waiting.fromOffset;
  }).length;
}

/** Compares lanes in which records wait, by the first of them. */
function isOlder(one: Lane, other: Lane): boolean {
  return (one.waiting[0] as Waiting).fromOffset < (other.waiting[0] as Waiting).fromOffset;
}

function olderOf(one: Lane | undefined, other: Lane | undefined): Lane | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return isOlder(other, one) ? other : one;
}
