import { assert } from '../shared/assert.ts';
import type { OffsetRange } from './checkpoint.ts';

/**
 * Which offsets of a partition are finished: all below `nextOffset`, and ranges above it, which are in order and
 * apart from each other. Records end out of order; finishing one costs a search among the ranges, which are few.
 */
export class Progress {
  #nextOffset: bigint;
  readonly #ranges: OffsetRange[];

  constructor({ nextOffset, finished }: { nextOffset: bigint; finished: readonly OffsetRange[] }) {
    this.#nextOffset = nextOffset;
    this.#ranges = [...finished];
  }

  /** The lowest offset that is not finished. */
  get nextOffset(): bigint {
    return this.#nextOffset;
  }

  /** The finished ranges above `nextOffset`, as they are now. */
  get ranges(): readonly OffsetRange[] {
    return [...this.#ranges];
  }

  get rangeCount(): number {
    return this.#ranges.length;
  }

  /** Marks offsets from `fromOffset` up to, not including, `toOffset`; some of them may be finished already. */
  finish(fromOffset: bigint, toOffset: bigint): void {
    assert(fromOffset <= toOffset, 'a range does not end before it begins');
    if (toOffset <= this.#nextOffset || fromOffset === toOffset) return;
    if (fromOffset <= this.#nextOffset) this.#moveTo(toOffset);
    else this.#insert(fromOffset, toOffset);
  }

  /** The first offset from `offset` on that is not finished. */
  firstUnfinished(offset: bigint): bigint {
    if (offset < this.#nextOffset) return this.#nextOffset;
    const range = this.#ranges[this.#firstEndingAfter(offset)];
    return range !== undefined && range.fromOffset <= offset ? range.toOffset : offset;
  }

  /** The parts of a range that are not finished, in order. */
  unfinished(fromOffset: bigint, toOffset: bigint): OffsetRange[] {
    const parts: OffsetRange[] = [];
    let offset = this.firstUnfinished(fromOffset);
    while (offset < toOffset) {
      const next = this.#ranges[this.#firstEndingAfter(offset)];
      const end = next === undefined || next.fromOffset > toOffset ? toOffset : next.fromOffset;
      parts.push({ fromOffset: offset, toOffset: end });
      offset = this.firstUnfinished(end);
    }
    return parts;
  }

  #moveTo(offset: bigint): void {
    let next = offset;
    let joined = 0;
    for (const range of this.#ranges) {
      if (range.fromOffset > next) break;
      if (range.toOffset > next) next = range.toOffset;
      joined += 1;
    }
    if (joined > 0) this.#ranges.splice(0, joined);
    this.#nextOffset = next;
  }

  #insert(fromOffset: bigint, toOffset: bigint): void {
    // Ranges that touch the new one become one with it.
    const first = this.#firstEndingAfter(fromOffset - 1n);
    let last = first;
    let from = fromOffset;
    let to = toOffset;
    for (; last < this.#ranges.length; last += 1) {
      const range = this.#ranges[last] as OffsetRange;
      if (range.fromOffset > to) break;
      if (range.fromOffset < from) from = range.fromOffset;
      if (range.toOffset > to) to = range.toOffset;
    }
    this.#ranges.splice(first, last - first, { fromOffset: from, toOffset: to });
  }

  /** The index of the first range that ends after `offset`. */
  #firstEndingAfter(offset: bigint): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ranges[middle] as OffsetRange).toOffset > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
