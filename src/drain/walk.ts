import type { Verdict } from '../delivery/verdict.ts';
import type { TopicRecord } from '../events/record.ts';
import { describeError } from '../shared/error.ts';
import { Holding, type HoldingOptions } from './holding.ts';
import type { Deliver, PartitionBounds, RecordLog, StoredCheckpoint } from './ports.ts';

/**
 * Why a walk ended: nothing more to read now, a record that failed, its turn over with more to come, no time left,
 * or no lease.
 */
export type WalkEnd = 'caught-up' | 'held-back' | 'turn-over' | 'out-of-time' | 'lease-lost';

export interface WalkResult {
  readonly end: WalkEnd;
  readonly delivered: number;
  /** The checkpoint as the walk left it; undefined without the lease. */
  readonly stored: StoredCheckpoint | undefined;
}

/** What a walk of one partition needs. */
export interface WalkOptions extends HoldingOptions {
  readonly stored: StoredCheckpoint;
  /** The partition as metadata has shown it. */
  readonly bounds: PartitionBounds;
  readonly log: RecordLog;
  readonly deliver: Deliver;
  /** The longest that one attempt can take, in milliseconds. */
  readonly attemptMs: number;
  /** No attempt begins that could end after this (milliseconds since the epoch). */
  readonly deadlineMs: number;
  /** A walk that has more to do gives way to other partitions after so long. */
  readonly turnMs: number;
  /** Records asked for in one read; also the most that a crash can deliver again. */
  readonly pageRecords: number;
}

/** A record whose attempt threw, which only a defect makes it do, is tried again after this. */
const brokenAttemptDelayMs = 60_000;
/** A partition that ends in offsets without records is looked at again after this, or when it has a new end. */
const emptyTailDelayMs = 60_000;

/**
 * Walks one partition in strict order: read a page, deliver record by record, *then* record progress. The first
 * record that fails ends the walk; its next attempt is kept in the checkpoint, and no run sleeps for it.
 *
 * @throws what the log or the store throws; progress made until then is stored first where that is possible.
 */
export async function walkPartition(options: WalkOptions): Promise<WalkResult> {
  if (outOfTime(options)) return { end: 'out-of-time', delivered: 0, stored: options.stored };
  const holding = await Holding.claim(options, options.stored);
  if (holding === undefined) return { end: 'lease-lost', delivered: 0, stored: undefined };
  const walk = new Walk(options, holding);
  let end: WalkEnd;
  try {
    end = await walk.run();
  } catch (error) {
    // The failure that ended the walk is the one to tell; a lease that cannot be given up lapses by itself.
    await holding.release().catch(() => undefined);
    throw error;
  }
  const stored = end === 'lease-lost' ? undefined : await holding.release();
  return { end: stored === undefined ? 'lease-lost' : end, delivered: walk.delivered, stored };
}

class Walk {
  readonly #options: WalkOptions;
  readonly #holding: Holding;
  /** An offset from which on the log has given a record, when offsets before it seemed empty. */
  #recordAhead = -1n;
  delivered = 0;

  constructor(options: WalkOptions, holding: Holding) {
    this.#options = options;
    this.#holding = holding;
  }

  async run(): Promise<WalkEnd> {
    const { clock, turnMs } = this.#options;
    const turnEndsMs = clock.now() + turnMs;
    this.#takeBounds(this.#options.bounds);
    for (;;) {
      const { nextOffset, endOffset } = this.#holding.checkpoint;
      if (nextOffset >= endOffset) return 'caught-up';
      if (outOfTime(this.#options)) return 'out-of-time';
      if (clock.now() >= turnEndsMs) return 'turn-over';
      if (!(await this.#holding.saveProgress())) return 'lease-lost';

      const page = await this.#readPage();
      const stopped = await this.#deliver(page.records);
      if (stopped !== undefined) return stopped;
      await this.#advanceTo(page.nextOffset);
      const moved = this.#holding.checkpoint.nextOffset > nextOffset;
      if (!moved && !(await this.#passEmptyOffsets())) {
        this.#waitForRecords();
        return 'held-back';
      }
    }
  }

  /** Reads on; what retention took while the walk was under way is kept as a gap, not stepped over. */
  async #readPage(): Promise<{ records: readonly TopicRecord[]; nextOffset: bigint }> {
    const { nextOffset: offset } = this.#holding.checkpoint;
    try {
      const page = await this.#readAt(offset);
      const first = page.records[0]?.offset ?? page.nextOffset;
      if (first <= offset || !(await this.#retentionPassed())) return page;
    } catch (error) {
      // Proxies differ in how they refuse an offset that is out of range, so only metadata can tell; when that
      // cannot be had either, the refusal is the thing to report.
      if (!(await this.#retentionPassed().catch(() => false))) throw error;
    }
    return { records: [], nextOffset: this.#holding.checkpoint.nextOffset };
  }

  #readAt(offset: bigint) {
    const { topic, partition } = this.#holding.checkpoint;
    return this.#options.log.read({ topic, partition, offset, count: this.#options.pageRecords });
  }

  async #deliver(records: readonly TopicRecord[]): Promise<WalkEnd | undefined> {
    const holding = this.#holding;
    for (const record of records) {
      // A page may begin before the offset that was asked for.
      if (record.offset < holding.checkpoint.nextOffset) continue;
      if (outOfTime(this.#options)) return 'out-of-time';
      if (!(await holding.ensureLease(this.#options.attemptMs))) return 'lease-lost';

      const failures = holding.failuresAt(record.offset);
      const verdict = await this.#attempt(record, failures);
      if (verdict.kind === 'retry') {
        holding.holdBack(record.offset, { failures: failures + 1, atMs: verdict.atMs, error: verdict.error });
        return 'held-back';
      }
      this.delivered += 1;
      holding.advance(record.offset + 1n);
    }
    return undefined;
  }

  /** A throw is a defect of one attempt: its record waits, and no run after this one fails for it at once. */
  async #attempt(record: TopicRecord, failures: number): Promise<Verdict> {
    try {
      return await this.#options.deliver(record, failures);
    } catch (error) {
      const atMs = this.#options.clock.now() + brokenAttemptDelayMs;
      return { kind: 'retry', atMs, error: `the attempt broke: ${describeError(error)}` };
    }
  }

  /** Moves to where the log says that reading goes on, but never beyond its end. */
  async #advanceTo(nextOffset: bigint): Promise<void> {
    const holding = this.#holding;
    if (nextOffset <= holding.checkpoint.nextOffset) return;
    if (nextOffset > holding.checkpoint.endOffset) await this.#retentionPassed();
    const { nextOffset: reached, endOffset } = holding.checkpoint;
    const bounded = nextOffset < endOffset ? nextOffset : endOffset;
    if (bounded > reached) holding.advance(bounded);
  }

  /**
   * Called when a read below the end brought neither records nor a way on: retention has moved, or the offsets are
   * empty (compaction, transaction markers), or the proxy was slow. Offsets count as empty only when the log gives
   * a record further on and, asked again, still none here; they are kept as a gap. Without such a record the walk
   * stays where it is, which costs a later run one read.
   *
   * @returns whether the walk can go on.
   */
  async #passEmptyOffsets(): Promise<boolean> {
    if (await this.#retentionPassed()) return true;
    const { nextOffset, endOffset } = this.#holding.checkpoint;
    if (nextOffset >= endOffset) return false;
    if (this.#recordAhead <= nextOffset)
      this.#recordAhead = await this.#findRecordAhead(nextOffset, endOffset);
    if (this.#recordAhead <= nextOffset) return false;

    const again = await this.#readAt(nextOffset);
    if (again.records.length > 0 || again.nextOffset > nextOffset) return true;
    const window = nextOffset + BigInt(this.#options.pageRecords);
    this.#holding.passGap(window < this.#recordAhead ? window : this.#recordAhead, 'empty');
    return true;
  }

  /** Nothing can be read below the end now: as a rule a transaction marker is the last thing there. */
  #waitForRecords(): void {
    const { nextOffset, endOffset } = this.#holding.checkpoint;
    if (nextOffset >= endOffset) return;
    const atMs = this.#options.clock.now() + emptyTailDelayMs;
    this.#holding.holdBack(nextOffset, { failures: 0, atMs, error: 'no record can be read below the end' });
  }

  /** A record further on, looked for at the end of the partition and at growing distances; -1 without one. */
  async #findRecordAhead(offset: bigint, endOffset: bigint): Promise<bigint> {
    const lastPage = endOffset - BigInt(this.#options.pageRecords);
    const places = lastPage > offset ? [lastPage] : [];
    for (let distance = 1n; offset + distance < endOffset; distance *= 2n) places.push(offset + distance);
    for (const place of places) {
      const { records } = await this.#readAt(place);
      const found = records.find((record) => record.offset > offset);
      if (found !== undefined) return found.offset;
    }
    return -1n;
  }

  async #retentionPassed(): Promise<boolean> {
    const { topic, partition } = this.#holding.checkpoint;
    return this.#takeBounds(await this.#options.log.partition(topic, partition));
  }

  #takeBounds({ earliestOffset, latestOffset }: PartitionBounds): boolean {
    this.#holding.sawEnd(latestOffset);
    if (earliestOffset <= this.#holding.checkpoint.nextOffset) return false;
    this.#holding.passGap(earliestOffset, 'retention');
    return true;
  }
}

function outOfTime({ clock, attemptMs, deadlineMs }: WalkOptions): boolean {
  return clock.now() + attemptMs > deadlineMs;
}
