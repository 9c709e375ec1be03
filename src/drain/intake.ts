import type { Clock } from '../shared/clock.ts';
import type { Log } from '../shared/log.ts';
import { type Gap, type Loss, recreatedAfterMs, withGap } from './checkpoint.ts';
import type { Lanes } from './lanes.ts';
import type { Parking } from './parking.ts';
import type { PartitionBounds, PartitionPlace, RecordLog, StoredCheckpoint } from './ports.ts';
import { Progress } from './progress.ts';
import { bytesOf, pageBytes, Reader, type Reading } from './reader.ts';

/** What an intake needs. */
export interface IntakeOptions {
  readonly log: RecordLog;
  readonly place: PartitionPlace;
  readonly stored: StoredCheckpoint;
  /** The partition as metadata has shown it; undefined when it is not there any more. */
  readonly bounds: PartitionBounds | undefined;
  readonly lanes: Lanes;
  readonly parking: Parking;
  readonly dataLoss: 'skip' | 'halt';
  readonly pageRecords: number;
  /** While this many records wait in the lanes, no further page goes into them. */
  readonly waitingMax: number;
  readonly clock: Clock;
  readonly report: Log;
  /** Told when a read has ended. */
  readonly onRead: () => void;
  /** Told how many records were finished by reading alone. */
  readonly onFinished: (count: number) => void;
}

/** Why nothing more is read. */
export type IntakeEnd =
  /** All is read. */
  | 'end'
  /** Nothing can be read now although the partition ends further on. */
  | 'empty-tail'
  /** Records are lost. */
  | 'loss'
  /** The log could not be read. */
  | 'failed';

/**
 * The way of records from the log into the lanes: one page is read ahead while the one before is delivered. Keeps what
 * is finished, and watches over what is lost.
 */
export class Intake {
  readonly #options: IntakeOptions;
  #progress: Progress;
  #reader: Reader | undefined;
  #endOffset: bigint;
  #reading = false;
  #ahead: Reading | undefined;
  #lookAgain = false;
  #ended: IntakeEnd | undefined;
  #error: unknown;
  #gaps: readonly Gap[];
  #loss: Loss | null;
  #lossInWords = '';

  constructor(options: IntakeOptions) {
    const { checkpoint } = options.stored;
    this.#options = options;
    this.#progress = new Progress(checkpoint);
    this.#endOffset = options.bounds?.latestOffset ?? checkpoint.endOffset;
    this.#gaps = checkpoint.gaps;
    this.#loss = checkpoint.loss;
  }

  get progress(): Progress {
    return this.#progress;
  }

  /** The end of the partition when last seen, and never less than what is finished. */
  get endOffset(): bigint {
    const endOffset = this.#reader?.endOffset ?? this.#endOffset;
    const { nextOffset } = this.#progress;
    return this.#reader !== undefined && nextOffset > endOffset ? nextOffset : endOffset;
  }

  get gaps(): readonly Gap[] {
    return this.#gaps;
  }

  get loss(): Loss | null {
    return this.#loss;
  }

  get reading(): boolean {
    return this.#reading;
  }

  /** Why nothing more is read; undefined as long as there is more. */
  get ended(): IntakeEnd | undefined {
    return this.#ahead === undefined ? this.#ended : undefined;
  }

  /** Whether everything up to where reading ended is finished. */
  get allFinished(): boolean {
    return this.#reader !== undefined && this.#progress.nextOffset >= this.#reader.offset;
  }

  /** What the log has thrown, when it `failed`. */
  get error(): unknown {
    return this.#error;
  }

  /** Which records are lost, in words for an operator. */
  get lossInWords(): string {
    return this.#lossInWords;
  }

  /**
   * Begins to read, unless the partition is not there, or ends before the checkpoint. That the topic was made anew
   * counts only when it was seen so for a while and is confirmed, since metadata can be stale, and when no record of the
   * old one is parked.
   *
   * @returns whether the position was set anew, which is to be stored at once.
   * @throws what the log throws.
   */
  async begin(): Promise<boolean> {
    const { log, place, clock, parking, report, bounds, dataLoss } = this.#options;
    const { nextOffset } = this.#progress;
    const seen = this.#loss?.cause === 'recreated' ? this.#loss : undefined;
    if (bounds !== undefined && bounds.latestOffset >= nextOffset) return this.#read(bounds);
    this.#ended = 'end';
    if (bounds === undefined) return false;
    if (seen !== undefined && (parking.count > 0 || clock.now() < seen.sinceMs + recreatedAfterMs))
      return false;
    // What planned this walk may have looked before another walk went on.
    const now = await log.partition(place.topic, place.partition);
    if (now === undefined) return false;
    if (now.latestOffset >= nextOffset) return this.#read(now);
    if (seen === undefined) {
      report.warn('drain.checkpoint-beyond-end', { ...place, nextOffset, endOffset: now.latestOffset });
      this.#loss = { cause: 'recreated', sinceMs: clock.now(), halted: false };
      return false;
    }
    if (dataLoss === 'halt' && !seen.halted) {
      this.#lossInWords = `${nameOf(place)}: the topic was made anew; the offsets from ${nextOffset} on are gone`;
      this.#ended = 'loss';
      return false;
    }
    this.#passGap({ fromOffset: nextOffset, toOffset: now.earliestOffset, cause: 'recreated' });
    this.#progress = new Progress({ nextOffset: now.earliestOffset, finished: [] });
    this.#read(now);
    return true;
  }

  /** An operator is to decide about the loss: the endpoint was paused for it. */
  noteHalted(): void {
    const cause = this.#loss?.cause === 'recreated' ? 'recreated' : 'retention';
    this.#loss = { cause, sinceMs: this.#options.clock.now(), halted: true };
  }

  /** Fills the lanes from what was read ahead, as far as there is room, and reads on. */
  fill(): void {
    const { lanes, waitingMax } = this.#options;
    while (this.#ahead !== undefined && lanes.waitingCount < waitingMax && lanes.waitingBytes < pageBytes) {
      const reading = this.#ahead;
      this.#ahead = undefined;
      if (reading.kind === 'page') this.#takePage(reading);
      else if (reading.kind === 'gap') this.#takeGap(reading);
      else this.#ended = reading.kind;
      this.#readOn();
    }
  }

  /** The end may have moved: reads on from where reading ended. */
  lookAgain(): void {
    this.#ended = undefined;
    this.#lookAgain = true;
    this.#readOn();
  }

  #read(bounds: PartitionBounds): false {
    const { log, place, pageRecords } = this.#options;
    if (this.#loss?.cause === 'recreated') this.#loss = null;
    this.#ended = undefined;
    this.#reader = new Reader({
      log,
      place,
      bounds,
      fromOffset: this.#progress.nextOffset,
      firstUnfinished: (offset) => this.#progress.firstUnfinished(offset),
      pageRecords,
    });
    this.#readOn();
    return false;
  }

  /** A read that is under way when the walk ends is left alone: it changes nothing. */
  #readOn(): void {
    const reader = this.#reader;
    if (reader === undefined || this.#reading || this.#ended !== undefined) return;
    this.#reading = true;
    const looked = this.#lookAgain ? reader.refresh() : Promise.resolve();
    this.#lookAgain = false;
    looked
      .then(() => reader.next())
      .then(
        (reading) => {
          this.#reading = false;
          this.#ahead = reading;
        },
        (error: unknown) => {
          // What was read before is delivered first.
          this.#reading = false;
          this.#ended = 'failed';
          this.#error = error;
        },
      )
      .then(this.#options.onRead);
  }

  #takePage({ fromOffset, toOffset, records }: Extract<Reading, { kind: 'page' }>): void {
    const { lanes, parking } = this.#options;
    let from = fromOffset;
    let finished = 0;
    for (const record of records) {
      const { offset } = record;
      // A page may begin before the offset that was asked for, and hold what is finished.
      if (offset < from || this.#progress.firstUnfinished(offset) !== offset) continue;
      if (parking.has(offset)) {
        this.#progress.finish(from, offset + 1n);
        finished += 1;
      } else lanes.add({ record, fromOffset: from, bytes: bytesOf(record) });
      from = offset + 1n;
    }
    if (from < toOffset) this.#progress.finish(from, toOffset);
    if (from < toOffset || finished > 0) this.#options.onFinished(Math.max(finished, 1));
  }

  #takeGap({ fromOffset, toOffset, cause }: Extract<Reading, { kind: 'gap' }>): void {
    const { place, dataLoss } = this.#options;
    const parts = this.#progress.unfinished(fromOffset, toOffset);
    if (cause === 'retention' && dataLoss === 'halt' && this.#loss?.halted !== true && parts.length > 0) {
      this.#lossInWords = `${nameOf(place)}: retention took the offsets ${fromOffset} to ${toOffset - 1n} before they were delivered`;
      this.#ended = 'loss';
      return;
    }
    for (const part of parts) {
      this.#passGap({ ...part, cause });
      this.#progress.finish(part.fromOffset, part.toOffset);
    }
    if (cause === 'retention') this.#loss = null;
    this.#options.onFinished(1);
  }

  #passGap(passed: Omit<Gap, 'atMs'>): void {
    const { place, report, clock } = this.#options;
    report.error('drain.gap', { ...place, ...passed });
    this.#gaps = withGap(this.#gaps, { ...passed, atMs: clock.now() });
  }
}

function nameOf({ topic, partition }: PartitionPlace): string {
  return `topic ${topic}, partition ${partition}`;
}
