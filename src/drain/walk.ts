import type { Delivery } from '../delivery/deliver.ts';
import type { DeadLetterStore } from '../events/dead-letter.ts';
import { assert } from '../shared/assert.ts';
import type { Log } from '../shared/log.ts';
import type { Telemetry } from '../shared/telemetry.ts';
import { type Advance, finishedMax, type Retry } from './checkpoint.ts';
import type { Gate } from './gate.ts';
import { Holding, type HoldingOptions } from './holding.ts';
import { Intake } from './intake.ts';
import { Lanes, type Ordering, rangesOf, type TakenParked, type TakenWaiting } from './lanes.ts';
import { Parking } from './parking.ts';
import type { ParkedStore, PartitionBounds, PartitionPlace, RecordLog, StoredCheckpoint } from './ports.ts';
import { Saves } from './saves.ts';
import { type Course, type Outgoing, Sending, type Tally } from './sending.ts';
import { createWake, type Wake } from './wake.ts';

/** Why a walk ended. */
export type WalkEnd =
  /** Nothing more to do now. */
  | 'caught-up'
  /** A record, or offsets that cannot be read, keep the partition waiting. */
  | 'held-back'
  /** Records are lost, and an operator is to decide. */
  | 'halted'
  /** There is more to do, but it is the turn of other partitions. */
  | 'turn-over'
  /** An attempt might outlast the run. */
  | 'out-of-time'
  /** The endpoint takes nothing now. */
  | 'endpoint-closed'
  /** Somebody else holds the checkpoint. */
  | 'lease-lost';

/** What a walk came to. */
export interface WalkResult extends Readonly<Tally> {
  readonly end: WalkEnd;
  /** The checkpoint as the walk left it; undefined when it was not claimed or was lost. */
  readonly stored: StoredCheckpoint | undefined;
}

/** What a subscription asks of a walk. */
export interface WalkRules {
  readonly ordering: Ordering;
  /** Deliveries under way at once. */
  readonly maxInFlight: number;
  /** Records that may be parked; at the bound the partition waits. */
  readonly parkedMax: number;
  /** What happens when records are gone before they were delivered. */
  readonly dataLoss: 'skip' | 'halt';
  readonly delivery: Delivery;
  /** The longest that one attempt can take, in milliseconds. */
  readonly attemptMs: number;
}

/** What a walk of one partition needs. */
export interface WalkOptions extends HoldingOptions {
  readonly place: PartitionPlace;
  readonly rules: WalkRules;
  readonly stored: StoredCheckpoint;
  /** The partition as metadata has shown it; undefined when it is not there any more. */
  readonly bounds: PartitionBounds | undefined;
  readonly log: RecordLog;
  readonly parked: ParkedStore;
  readonly deadLetters: DeadLetterStore;
  readonly gate: Gate;
  readonly report: Log;
  readonly telemetry: Telemetry;
  /** No attempt begins that could end after this (milliseconds since the epoch). */
  readonly deadlineMs: number;
  /** How long the walk may go on before it gives way to other partitions. */
  readonly turnMs: number;
  /** Most records asked for in one read. */
  readonly pageRecords: number;
  /** Records that may be under way or finished without being stored as finished: the most a crash delivers again. */
  readonly windowRecords: number;
}

/** The longest that a walk rests before it looks whether there is something to do. */
const lookAgainMs = 5_000;
/** Parked records are read one by one, so a request holds no more of them. */
const parkedTogetherMax = 16;
/** A partition that ends in offsets without records is looked at again after this, or when it has a new end. */
const emptyTailDelayMs = 60_000;

const nothingDone: Tally = { delivered: 0, filtered: 0, parked: 0, deadLettered: 0 };

/**
 * Walks one partition under the lease of its checkpoint: reads ahead, delivers what its lanes allow, parks or holds
 * back what fails, and stores what is finished, always in this order: the delivery; the parked record or the dead
 * letter; the checkpoint. No invocation sleeps for a record that failed.
 *
 * @throws what the log or a store throws; progress made until then is stored first where that is possible.
 */
export async function walkPartition(options: WalkOptions): Promise<WalkResult> {
  const { clock, rules, deadlineMs, gate } = options;
  const visitor = {};
  if (clock.now() + rules.attemptMs > deadlineMs) {
    return { end: 'out-of-time', ...nothingDone, stored: options.stored };
  }
  try {
    // The endpoint was paused before the loss was noted: only a look from now on can tell whether it was resumed.
    const lookAnew = options.stored.checkpoint.loss?.halted;
    if (!(await gate.admit(visitor, lookAnew)))
      return { end: 'endpoint-closed', ...nothingDone, stored: undefined };
    const holding = await Holding.claim(options, options.stored);
    if (holding === undefined) return { end: 'lease-lost', ...nothingDone, stored: undefined };
    return await new Walk(options, holding, visitor).run();
  } finally {
    gate.exit(visitor);
  }
}

class Walk implements Course {
  readonly #options: WalkOptions;
  readonly #holding: Holding;
  readonly #visitor: object;
  readonly #wake: Wake;
  readonly #lanes: Lanes;
  readonly #parking: Parking;
  readonly #intake: Intake;
  readonly #sending: Sending;
  readonly #saves: Saves;
  readonly #turnEndsMs: number;
  /** Groups of records that are being sent or parked. */
  #jobs = 0;
  /** The records of all these groups. */
  #recordsInJobs = 0;
  /** Those of them that come from the log: each may have to be parked yet. */
  #freshInJobs = 0;
  /** How many ranges of offsets those from the log are. */
  #rangesInJobs = 0;
  /** The record that keeps the partition waiting, if it has failed before. */
  #held: { readonly offset: bigint; readonly retry: Retry; tried: boolean } | undefined;
  #emptyTail = false;
  #linger: { readonly untilMs: number; looked: boolean } | undefined;
  #end: WalkEnd | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: WalkOptions, holding: Holding, visitor: object) {
    const { place, rules, clock, parked, stored } = options;
    const { nextOffset, retry, parked: known } = stored.checkpoint;
    this.#options = options;
    this.#holding = holding;
    this.#visitor = visitor;
    this.#wake = createWake(clock);
    this.#lanes = new Lanes(rules.ordering);
    this.#parking = new Parking({
      store: parked,
      place,
      epoch: holding.checkpoint.epoch,
      inDoubt: holding.takenOver || known.count > 0,
      onFound: (entries) => this.#lanes.adopt(entries),
    });
    this.#intake = new Intake({
      ...options,
      lanes: this.#lanes,
      parking: this.#parking,
      dataLoss: rules.dataLoss,
      waitingMax: Math.max(options.pageRecords, rules.delivery.batch.recordsMax),
      onRead: () => this.#wake.call(),
      onFinished: (count) => this.#saves.noteFinished(count),
    });
    this.#sending = new Sending({
      ...options,
      subscription: place.subscription,
      parks: rules.ordering !== 'partition',
      delivery: rules.delivery,
      visitor,
      lanes: this.#lanes,
      parking: this.#parking,
      course: this,
    });
    if (retry !== null && retry.failures > 0) this.#held = { offset: nextOffset, retry, tried: false };
    this.#saves = new Saves({
      ...options,
      holding,
      attemptMs: rules.attemptMs,
      standing: () => this.#standing(),
      onLost: () => this.stop('lease-lost'),
      onError: (error) => this.#fail(error),
      onEnd: () => this.#wake.call(),
    });
    this.#turnEndsMs = clock.now() + options.turnMs;
  }

  async run(): Promise<WalkResult> {
    try {
      if (this.#parking.inDoubt) await this.#parking.open();
      if (await this.#intake.begin()) {
        this.#held = undefined;
        await this.#saves.save();
      }
      await this.#goOn();
      if (this.#end === 'halted') await this.#halt();
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#wake.close();
    if (this.#failure === undefined) return this.#release();
    // The failure that ended the walk is the one to tell; a lease that cannot be given up lapses by itself.
    await this.#release().catch(() => undefined);
    throw this.#failure.error;
  }

  mayAttempt(): boolean | Promise<boolean> {
    if (this.#end === undefined && this.#isOutOfTime()) this.stop('out-of-time');
    if (this.#end !== undefined) return false;
    return this.#saves.leaseOutlasts() || this.#renewed();
  }

  finish({ fromOffset, record }: Outgoing): void {
    this.#intake.progress.finish(fromOffset ?? record.offset, record.offset + 1n);
    this.#saves.noteFinished(1);
  }

  holdBack(
    { fromOffset, record, failures, attempts }: Outgoing,
    { atMs, error }: { readonly atMs: number; readonly error: string },
  ): void {
    // The offsets before it that hold no record are behind it.
    this.#intake.progress.finish(fromOffset ?? record.offset, record.offset);
    this.#held = { offset: record.offset, retry: { failures, atMs, error, attempts }, tried: true };
    this.stop('held-back');
  }

  stop(end: WalkEnd): void {
    if (this.#end === undefined || end === 'lease-lost') this.#end = end;
    this.#options.gate.refuse(this.#visitor);
    this.#wake.call();
  }

  /** Takes steps until the walk is to end and nothing is under way any more. */
  async #goOn(): Promise<void> {
    for (;;) {
      if (this.#end === undefined) this.#step();
      if (this.#end !== undefined && this.#jobs === 0) break;
      await this.#wake.rest(this.#nextLookMs());
    }
    await this.#saves.settled();
  }

  #step(): void {
    const { gate } = this.#options;
    if (gate.isShut()) {
      this.stop('endpoint-closed');
      return;
    }
    const limit = this.#limit();
    this.#intake.fill();
    while (limit === undefined && this.#startJob());
    if (this.#saves.isDue()) void this.#saves.save();
    const end = limit !== undefined && !this.#isDrained() ? limit : (this.#endIfDone() ?? limit);
    // The next turn would begin anew with the whole batch, and get no further.
    if (end === 'turn-over' && this.#sending.takesApart) return;
    if (end !== undefined) this.stop(end);
  }

  #limit(): WalkEnd | undefined {
    if (this.#isOutOfTime()) return 'out-of-time';
    return this.#options.clock.now() >= this.#turnEndsMs ? 'turn-over' : undefined;
  }

  /** Whether everything there was to read has been read and sent. */
  #isDrained(): boolean {
    return this.#intake.ended !== undefined && !this.#intake.reading && this.#lanes.waitingCount === 0;
  }

  /** The natural end: nothing is under way, and nothing can be started. */
  #endIfDone(): WalkEnd | undefined {
    const { reading, ended } = this.#intake;
    if (this.#jobs > 0 || reading || this.#saves.underWay) return undefined;
    if (ended === 'failed') this.#fail(this.#intake.error);
    if (this.#lanes.waitingCount > 0) return this.#isLingering() ? undefined : 'held-back';
    assert(ended !== undefined, 'a walk with nothing to send reads on, or is at an end');
    if (ended === 'loss') return 'halted';
    this.#emptyTail = ended === 'empty-tail';
    return this.#emptyTail ? 'held-back' : 'caught-up';
  }

  /** Starts to send or to park some records. False: not now. */
  #startJob(): boolean {
    const { rules, gate, clock } = this.#options;
    if (this.#jobs >= (gate.probing ? 1 : rules.maxInFlight)) return false;
    const window = this.#options.windowRecords - this.#saves.unsaved - this.#recordsInJobs;
    if (window <= 0) return false;
    if (!this.#saves.leaseOutlasts()) {
      void this.#saves.save();
      return false;
    }
    const most = gate.probing ? 1 : rules.delivery.batch.recordsMax;
    const due = this.#lanes.takeDue(clock.now(), Math.min(most, window, parkedTogetherMax));
    if (due.length > 0) return this.#run(due, [], this.#sendParked(due));
    const behind = this.#lanes.takeBehind(Math.min(this.#parkingRoom(), window));
    if (behind.length > 0) return this.#run(behind, behind, this.#parkBehind(behind));
    const fresh = this.#takeFresh(most, window);
    if (fresh.length === 0) return false;
    this.#linger = undefined;
    return this.#run(fresh, fresh, this.#sendFresh(fresh));
  }

  #takeFresh(recordsMax: number, window: number): TakenWaiting[] {
    const { progress } = this.#intake;
    const room = this.#parkingRoom();
    if (room <= 0 || this.#lanes.readyCount === 0) return [];
    const held = this.#held;
    if (held !== undefined && !held.tried && held.offset === progress.nextOffset) {
      // Only by itself can it be said how often it has failed.
      if (held.retry.atMs > this.#options.clock.now()) return [];
      const lowest = this.#lanes.takeLowest(progress, 1);
      if (lowest.length > 0) return lowest;
    }
    const wanted = Math.min(recordsMax, room);
    const rangesMax = finishedMax - progress.rangeCount - this.#rangesInJobs;
    if (rangesMax <= 0) {
      return this.#lanes.takeLowest(progress, Math.min(wanted, window));
    }
    if (recordsMax > 1 && this.#isWorthWaiting(wanted, window)) return [];
    return this.#lanes.take(Math.min(wanted, window), rangesMax);
  }

  /** Whether a fuller delivery can be had soon. */
  #isWorthWaiting(wanted: number, window: number): boolean {
    const { readyCount } = this.#lanes;
    if (window < Math.min(wanted, readyCount)) {
      if (this.#jobs > 0) return true;
      if (this.#saves.unsaved > 0) void this.#saves.save();
      return this.#saves.underWay;
    }
    if (readyCount >= wanted) return false;
    return this.#intake.reading || this.#isLingering();
  }

  /** Whether records wait for others to come; once that was long enough, the end is looked at once more. */
  #isLingering(): boolean {
    const { rules, clock, deadlineMs } = this.#options;
    const { lingerMs } = rules.delivery.batch;
    if (lingerMs === 0 || this.#intake.ended !== 'end') return false;
    const nowMs = clock.now();
    if (this.#linger === undefined) {
      const untilMs = nowMs + lingerMs;
      if (untilMs >= Math.min(this.#turnEndsMs, deadlineMs - rules.attemptMs)) return false;
      this.#linger = { untilMs, looked: false };
    }
    if (nowMs < this.#linger.untilMs) return true;
    if (this.#linger.looked) return false;
    this.#linger.looked = true;
    this.#intake.lookAgain();
    return true;
  }

  /**
   * How many more records may come to be parked. In partition order none is; what an earlier configuration has parked
   * must be dealt with before anything else.
   */
  #parkingRoom(): number {
    const { ordering, parkedMax } = this.#options.rules;
    if (ordering === 'partition') return this.#parking.count > 0 ? 0 : Number.MAX_SAFE_INTEGER;
    return parkedMax - this.#parking.count - this.#freshInJobs;
  }

  /** Counts records in while `work` is done on them, and frees their lanes afterwards. */
  #run(
    taken: readonly (TakenWaiting | TakenParked)[],
    fresh: readonly TakenWaiting[],
    work: Promise<unknown>,
  ): true {
    const ranges = rangesOf(fresh);
    this.#jobs += 1;
    this.#recordsInJobs += taken.length;
    this.#freshInJobs += fresh.length;
    this.#rangesInJobs += ranges;
    work
      .catch((error: unknown) => this.#fail(error))
      .then(() => {
        this.#jobs -= 1;
        this.#recordsInJobs -= taken.length;
        this.#freshInJobs -= fresh.length;
        this.#rangesInJobs -= ranges;
        for (const { lane } of taken) if (lane.state === 'busy') this.#lanes.free(lane);
        this.#wake.call();
      });
    return true;
  }

  async #sendFresh(taken: readonly TakenWaiting[]): Promise<void> {
    const outgoing = taken.map(freshOutgoing);
    const [first] = outgoing;
    const held = this.#held;
    if (held === undefined || first?.record.offset !== held.offset || taken.length > 1) {
      return this.#sending.send(outgoing);
    }
    held.tried = true;
    const { failures, attempts } = held.retry;
    await this.#sending.send([{ ...first, failures, attempts }]);
  }

  async #parkBehind(taken: readonly TakenWaiting[]): Promise<void> {
    await this.#sending.parkUnattempted(taken.map(freshOutgoing));
  }

  async #sendParked(taken: readonly TakenParked[]): Promise<void> {
    const read = await Promise.all(taken.map(({ entry }) => this.#parking.read(entry.offset)));
    const outgoing: Outgoing[] = [];
    for (const [index, { lane, entry }] of taken.entries()) {
      const parked = read[index];
      // It was taken away by an operator.
      if (parked === undefined) lane.parked.splice(lane.parked.indexOf(entry), 1);
      else outgoing.push({ lane, ...parked, fromOffset: undefined });
    }
    await this.#sending.send(outgoing);
  }

  async #renewed(): Promise<boolean> {
    // A save that was under way may have begun long ago.
    if (!(await this.#saves.settled())) return false;
    return this.#saves.leaseOutlasts() || this.#saves.save();
  }

  #standing(): Advance {
    const { progress, endOffset, gaps, loss } = this.#intake;
    const { nextOffset, ranges } = progress;
    return {
      nextOffset,
      endOffset,
      finished: ranges,
      retry: this.#retry(),
      parked: this.#parked(),
      loss,
      gaps,
    };
  }

  #retry(): Retry | null {
    if (this.#held?.offset === this.#intake.progress.nextOffset) return this.#held.retry;
    if (!this.#emptyTail || !this.#intake.allFinished) return null;
    const atMs = this.#options.clock.now() + emptyTailDelayMs;
    return { failures: 0, atMs, error: 'no record can be read below the end', attempts: [] };
  }

  #parked(): Advance['parked'] {
    const nextAttemptMs = this.#lanes.nextAttemptMs();
    const { count, inDoubt } = this.#parking;
    if (!inDoubt) return { count, nextAttemptMs: nextAttemptMs ?? 0 };
    return { count: count + 1, nextAttemptMs: this.#options.clock.now() };
  }

  /** Pauses the endpoint, and only then says so in the checkpoint. */
  async #halt(): Promise<void> {
    const { gate, report, place } = this.#options;
    const why = `${this.#intake.lossInWords}; resume to go on without them`;
    report.error('drain.halted', { ...place, why });
    await gate.pause(why);
    this.#intake.noteHalted();
  }

  async #release(): Promise<WalkResult> {
    const stored = this.#end === 'lease-lost' ? undefined : await this.#holding.release(this.#standing());
    const end = stored === undefined ? 'lease-lost' : (this.#end ?? 'lease-lost');
    return { end, ...this.#sending.tally, stored };
  }

  /** The first failure is the one to tell; what is under way is settled first. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.stop('held-back');
  }

  #isOutOfTime(): boolean {
    const { clock, rules, deadlineMs } = this.#options;
    return clock.now() + rules.attemptMs > deadlineMs;
  }

  /** When the loop has to look again although nothing has happened. */
  #nextLookMs(): number {
    const { clock, deadlineMs, rules } = this.#options;
    const nowMs = clock.now();
    const times = [
      nowMs + lookAgainMs,
      this.#saves.dueAtMs,
      this.#turnEndsMs,
      deadlineMs - rules.attemptMs,
      this.#linger?.untilMs ?? 0,
    ];
    return Math.max(Math.min(...times.filter((atMs) => atMs > nowMs)), nowMs + 1);
  }
}

function freshOutgoing({ lane, waiting }: TakenWaiting): Outgoing {
  const { record, fromOffset } = waiting;
  return { lane, record, fromOffset, failures: 0, attempts: [] };
}
