import type { TopicRecord } from '../events/record.ts';
import { Holding, type HoldingOptions } from './holding.ts';
import type { Deliver, PartitionBounds, RecordLog, StoredCheckpoint } from './ports.ts';

/** Why a walk ended: at the end of the partition, at a failing record, out of time, or without its lease. */
export type WalkEnd = 'caught-up' | 'held-back' | 'out-of-time' | 'lease-lost';

export interface WalkResult {
  readonly end: WalkEnd;
  readonly delivered: number;
}

/** What a walk of one partition needs. */
export interface WalkOptions extends HoldingOptions {
  readonly stored: StoredCheckpoint;
  /** The partition as metadata has just shown it. */
  readonly bounds: PartitionBounds;
  readonly log: RecordLog;
  readonly deliver: Deliver;
  /** The longest that one attempt can take, in milliseconds. */
  readonly attemptMs: number;
  /** No attempt begins that could end after this (milliseconds since the epoch). */
  readonly deadlineMs: number;
  /** Records asked for in one read; also the most that a crash can deliver again. */
  readonly pageRecords: number;
}

/** An empty page below the end is read this often before its offsets count as a gap of the log. */
const emptyReadsMax = 3;

/**
 * Walks one partition in strict order: read a page, deliver record by record, *then* record progress. The first
 * record that fails ends the walk; its next attempt is kept in the checkpoint, and no run sleeps for it.
 *
 * @throws what the log or the store throws; progress made until then is stored first where that is possible.
 */
export async function walkPartition(options: WalkOptions): Promise<WalkResult> {
  const holding = await Holding.claim(options, options.stored);
  if (holding === undefined) return { end: 'lease-lost', delivered: 0 };
  const walk = new Walk(options, holding);
  let end: WalkEnd;
  try {
    end = await walk.run();
  } catch (error) {
    // The failure that ended the walk is the one to tell; a lease that cannot be given up lapses by itself.
    await holding.release().catch(() => undefined);
    throw error;
  }
  const released = end !== 'lease-lost' && (await holding.release());
  return { end: released ? end : 'lease-lost', delivered: walk.delivered };
}

class Walk {
  readonly #options: WalkOptions;
  readonly #holding: Holding;
  delivered = 0;

  constructor(options: WalkOptions, holding: Holding) {
    this.#options = options;
    this.#holding = holding;
  }

  async run(): Promise<WalkEnd> {
    this.#takeBounds(this.#options.bounds);
    let emptyReads = 0;
    for (;;) {
      const { nextOffset, endOffset } = this.#holding.checkpoint;
      if (nextOffset >= endOffset) return 'caught-up';
      if (this.#outOfTime()) return 'out-of-time';
      if (!(await this.#holding.saveProgress())) return 'lease-lost';

      const page = await this.#readPage();
      const stopped = await this.#deliver(page.records);
      if (stopped !== undefined) return stopped;
      if (page.nextOffset > this.#holding.checkpoint.nextOffset) this.#holding.advance(page.nextOffset);

      emptyReads = this.#holding.checkpoint.nextOffset > nextOffset ? 0 : emptyReads + 1;
      if (emptyReads > 0) await this.#lookAhead(emptyReads);
    }
  }

  /** Reads on; what retention took while the walk was under way is kept as a gap, not stepped over. */
  async #readPage(): Promise<{ records: readonly TopicRecord[]; nextOffset: bigint }> {
    const { topic, partition, nextOffset: offset } = this.#holding.checkpoint;
    const nothing = { records: [], nextOffset: offset };
    try {
      const page = await this.#options.log.read({
        topic,
        partition,
        offset,
        count: this.#options.pageRecords,
      });
      const first = page.records[0]?.offset ?? page.nextOffset;
      if (first > offset && (await this.#retentionPassed())) return nothing;
      return page;
    } catch (error) {
      // Proxies differ in how they refuse an offset that is out of range, so only metadata can tell.
      if (await this.#retentionPassed()) return nothing;
      throw error;
    }
  }

  async #deliver(records: readonly TopicRecord[]): Promise<WalkEnd | undefined> {
    const holding = this.#holding;
    for (const record of records) {
      // A page may begin before the offset that was asked for.
      if (record.offset < holding.checkpoint.nextOffset) continue;
      if (this.#outOfTime()) return 'out-of-time';
      if (!(await holding.ensureLease(this.#options.attemptMs))) return 'lease-lost';

      const failures = holding.failuresAt(record.offset);
      const verdict = await this.#options.deliver(record, failures);
      if (verdict.kind === 'retry') {
        holding.holdBack(record.offset, { failures: failures + 1, atMs: verdict.atMs, error: verdict.error });
        return 'held-back';
      }
      this.delivered += 1;
      holding.advance(record.offset + 1n);
    }
    return undefined;
  }

  /** An empty page below the end: the end has moved, or the log has a gap here, or the proxy was slow. */
  async #lookAhead(emptyReads: number): Promise<void> {
    if (await this.#retentionPassed()) return;
    const { nextOffset, endOffset } = this.#holding.checkpoint;
    if (emptyReads < emptyReadsMax || nextOffset >= endOffset) return;
    const window = nextOffset + BigInt(this.#options.pageRecords);
    this.#holding.crossEmptyOffsets(window < endOffset ? window : endOffset);
  }

  async #retentionPassed(): Promise<boolean> {
    const { topic, partition } = this.#holding.checkpoint;
    return this.#takeBounds(await this.#options.log.partition(topic, partition));
  }

  #takeBounds({ earliestOffset, latestOffset }: PartitionBounds): boolean {
    this.#holding.sawEnd(latestOffset);
    if (earliestOffset <= this.#holding.checkpoint.nextOffset) return false;
    this.#holding.skipLost(earliestOffset);
    return true;
  }

  #outOfTime(): boolean {
    const { clock, attemptMs, deadlineMs } = this.#options;
    return clock.now() + attemptMs > deadlineMs;
  }
}
