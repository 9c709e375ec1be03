import type { TopicRecord } from '../events/record.ts';
import type { PartitionBounds, PartitionPlace, RecordLog } from './ports.ts';

/** What one step of reading brought. */
export type Reading =
  /** All records of the offsets `fromOffset` up to, not including, `toOffset`; offsets without one are empty. */
  | {
      readonly kind: 'page';
      readonly fromOffset: bigint;
      readonly toOffset: bigint;
      readonly records: readonly TopicRecord[];
    }
  /** These offsets have no record any more, or none that can be read. */
  | {
      readonly kind: 'gap';
      readonly fromOffset: bigint;
      readonly toOffset: bigint;
      readonly cause: 'retention' | 'empty';
    }
  /** All is read. */
  | { readonly kind: 'end' }
  /** The partition ends further on, but no record can be read there now: as a rule a transaction marker is last. */
  | { readonly kind: 'empty-tail' };

/** What a reader needs. */
export interface ReaderOptions {
  readonly log: RecordLog;
  readonly place: PartitionPlace;
  /** The partition as metadata has shown it. */
  readonly bounds: PartitionBounds;
  readonly fromOffset: bigint;
  /** The first offset from the given one on that is not finished yet. */
  readonly firstUnfinished: (offset: bigint) => bigint;
  /** Most records asked for in one read. */
  readonly pageRecords: number;
}

/** So much is aimed at for one page; the proxy gives 6 MB at most. */
export const pageBytes = 2 * 1_048_576;
/** What a record costs beyond its key and value. */
const recordOverheadBytes = 100;

/** Reads a partition page by page, with an eye on what is missing. One step at a time. */
export class Reader {
  readonly #options: ReaderOptions;
  #offset: bigint;
  #earliestOffset: bigint;
  #endOffset: bigint;
  /** Records to ask for, so that a page is of about {@link pageBytes}. */
  #count: number;
  /** An offset from which on the log has given a record, when offsets before it seemed empty. */
  #recordAhead = -1n;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#offset = options.fromOffset;
    this.#earliestOffset = options.bounds.earliestOffset;
    this.#endOffset = options.bounds.latestOffset;
    this.#count = options.pageRecords;
  }

  /** Everything below was read. */
  get offset(): bigint {
    return this.#offset;
  }

  /** The end of the partition when last seen. */
  get endOffset(): bigint {
    return this.#endOffset;
  }

  /** Reads on. @throws what the log throws. */
  async next(): Promise<Reading> {
    this.#offset = this.#options.firstUnfinished(this.#offset);
    if (this.#offset >= this.#endOffset) return { kind: 'end' };
    const endBefore = this.#endOffset;
    // Also where metadata say that retention has passed the offset: they may be those of a topic made anew since.
    const page = await this.#readPage();
    if (page === undefined) return this.#gap(this.#earliestOffset, 'retention');
    return (await this.#page(page, endBefore)) ?? this.#crossEmpty();
  }

  /** Looks where the partition ends now, if it is still there. @throws what the log throws. */
  async refresh(): Promise<void> {
    const { topic, partition } = this.#options.place;
    const bounds = await this.#options.log.partition(topic, partition);
    if (bounds === undefined) return;
    this.#earliestOffset = bounds.earliestOffset;
    this.#endOffset = bounds.latestOffset;
  }

  /** Reads on; undefined: retention has passed the offset meanwhile, which is a gap, not stepped over. */
  async #readPage(): Promise<Page | undefined> {
    try {
      const page = await this.#readAt(this.#offset, this.#count);
      const first = page.records[0]?.offset ?? page.nextOffset;
      if (first <= this.#offset || !(await this.#retentionPassed())) return page;
      // What a page shows was not taken, whatever metadata say.
      if (page.records.length > 0 && first < this.#earliestOffset) this.#earliestOffset = first;
    } catch (error) {
      // Proxies differ in how they refuse an offset that is out of range, so only metadata can tell; when that
      // cannot be had either, the refusal is the thing to report.
      if (!(await this.#retentionPassed().catch(() => false))) throw error;
    }
    return undefined;
  }

  /**
   * Moves on past a page; undefined when it leads nowhere. The log's own word for where to read on is believed only
   * where the page holds no record, and never beyond the end as it was before the page was asked for: whatever lies
   * there may have been written since.
   */
  async #page({ records, nextOffset }: Page, endBefore: bigint): Promise<Reading | undefined> {
    const fromOffset = this.#offset;
    const last = records.at(-1)?.offset;
    const afterLast = last === undefined ? fromOffset : last + 1n;
    const bounded = nextOffset < endBefore ? nextOffset : endBefore;
    const toOffset = afterLast > fromOffset ? afterLast : bounded;
    if (afterLast > this.#endOffset) await this.refresh();
    if (toOffset <= fromOffset) return undefined;
    this.#adapt(records);
    this.#offset = toOffset;
    return { kind: 'page', fromOffset, toOffset, records };
  }

  /**
   * Called when a read below the end brought neither records nor a way on: retention has moved, or the offsets are
   * empty (compaction, transaction markers), or the proxy was slow. Offsets count as empty only when the log gives
   * a record further on, and twice none at the first of them and at the last. Without such a record the walk stays
   * where it is, which costs a later run one read.
   */
  async #crossEmpty(): Promise<Reading> {
    if (await this.#retentionPassed()) return this.#gap(this.#earliestOffset, 'retention');
    if (this.#offset >= this.#endOffset) return { kind: 'end' };
    if (this.#recordAhead <= this.#offset) this.#recordAhead = await this.#findRecordAhead();
    if (this.#recordAhead <= this.#offset) return { kind: 'empty-tail' };

    const endBefore = this.#endOffset;
    const again = await this.#page(await this.#readAt(this.#offset, this.#options.pageRecords), endBefore);
    if (again !== undefined) return again;
    const window = this.#offset + BigInt(this.#options.pageRecords);
    return this.#gap(
      await this.#firstReadable(window < this.#recordAhead ? window : this.#recordAhead),
      'empty',
    );
  }

  /**
   * Where reading goes on behind this offset, at `toOffset` the latest. What was found further on need not be the
   * first that can be read: while metadata is stale, what retention has just taken looks empty too.
   */
  async #firstReadable(toOffset: bigint): Promise<bigint> {
    let empty = this.#offset;
    let readable = toOffset;
    let middle = toOffset - 1n;
    while (readable - empty > 1n) {
      if (await this.#givesNothingAt(middle)) empty = middle;
      else readable = middle;
      middle = (empty + readable) / 2n;
    }
    return readable;
  }

  /** Whether nothing can be read at an offset, also when asked again. */
  async #givesNothingAt(offset: bigint): Promise<boolean> {
    for (let reads = 0; reads < 2; reads += 1) {
      const { records } = await this.#readAt(offset, 1);
      if (records.length > 0) return false;
    }
    return true;
  }

  /** A record further on, looked for at the end of the partition and at growing distances; -1 without one. */
  async #findRecordAhead(): Promise<bigint> {
    const { pageRecords } = this.#options;
    const lastPage = this.#endOffset - BigInt(pageRecords);
    const places = lastPage > this.#offset ? [lastPage] : [];
    for (let distance = 1n; this.#offset + distance < this.#endOffset; distance *= 2n) {
      places.push(this.#offset + distance);
    }
    for (const place of places) {
      const { records } = await this.#readAt(place, pageRecords);
      const found = records.find((record) => record.offset > this.#offset);
      if (found !== undefined) return found.offset;
    }
    return -1n;
  }

  async #retentionPassed(): Promise<boolean> {
    await this.refresh();
    return this.#earliestOffset > this.#offset;
  }

  #gap(toOffset: bigint, cause: 'retention' | 'empty'): Reading {
    const fromOffset = this.#offset;
    this.#offset = toOffset;
    return { kind: 'gap', fromOffset, toOffset, cause };
  }

  #readAt(offset: bigint, count: number): Promise<Page> {
    const { log, place } = this.#options;
    return log.read({ topic: place.topic, partition: place.partition, offset, count });
  }

  #adapt(records: readonly TopicRecord[]): void {
    if (records.length === 0) return;
    let bytes = 0;
    for (const record of records) bytes += bytesOf(record);
    const fitting = Math.floor((pageBytes * records.length) / bytes);
    this.#count = Math.min(Math.max(fitting, 1), this.#options.pageRecords);
  }
}

type Page = Awaited<ReturnType<RecordLog['read']>>;

/** About what a record takes in memory; its length in UTF-16 units is near enough. */
export function bytesOf({ key, value }: TopicRecord): number {
  return recordOverheadBytes + (key?.length ?? 0) + (value?.length ?? 0);
}
