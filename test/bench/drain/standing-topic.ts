import type { Tally } from '../tally.ts';
import { partitionCount } from './cases.ts';
import { createRecordPages, firstOffset, numberOf, type ValueBytesOf } from './record-pages.ts';

/** A page as the consumer API gives it. */
export interface Page {
  readonly body: Buffer;
  readonly nextOffset: number;
}

/** A topic of which nothing is stored: any page of it is made when it is asked for. */
export interface StandingTopic {
  /** Adds records, as many to each partition. */
  append(records: number): void;
  /**
   * Takes away what was appended last and never read, but for the last record of each partition, as compaction
   * does: whoever reads the topic reaches its end.
   *
   * @returns what is left of that.
   */
  compact(): Tally;
  bounds(partition: number): { readonly earliest: number; readonly latest: number };
  read(partition: number, offset: number, countMax: number): Page;
}

interface Partition {
  readonly pages: ReturnType<typeof createRecordPages>;
  /** Where the last append begins. */
  start: number;
  end: number;
  /** No record is from here on, but at `end - 1`; `end` when nothing is missing. */
  hole: number;
  /** Where the next unread record is. */
  unread: number;
}

/** Makes an empty topic of twelve partitions. */
export function createStandingTopic(valueBytesOf: ValueBytesOf): StandingTopic {
  const partitions = Array.from({ length: partitionCount }, (_, partition): Partition => {
    const [start, end, hole, unread] = [firstOffset, firstOffset, firstOffset, firstOffset];
    return { pages: createRecordPages(partition, valueBytesOf), start, end, hole, unread };
  });
  const at = (partition: number) => {
    const found = partitions[partition];
    if (found === undefined) throw new RangeError(`there is no partition ${partition}`);
    return found;
  };
  return {
    append: (records) => {
      for (const partition of partitions) {
        partition.start = partition.end;
        partition.unread = partition.end;
        partition.end += Math.ceil(records / partitionCount);
        partition.hole = partition.end;
      }
    },
    compact: () => {
      const left = { events: 0, idSum: 0 };
      partitions.forEach((partition, index) => {
        partition.hole = Math.min(partition.unread, partition.end);
        for (let offset = partition.start; offset < partition.end; offset += 1) {
          if (offset >= partition.hole && offset < partition.end - 1) continue;
          left.events += 1;
          left.idSum += numberOf(index, offset);
        }
      });
      return left;
    },
    bounds: (partition) => ({ earliest: firstOffset, latest: at(partition).end }),
    read: (index, offset, countMax) => {
      const partition = at(index);
      const from =
        offset < partition.hole ? Math.max(offset, firstOffset) : Math.max(offset, partition.end - 1);
      const to = from < partition.hole ? partition.hole : partition.end;
      const { body, records } = partition.pages(from, Math.min(countMax, Math.max(0, to - from)));
      const nextOffset = Math.max(offset, from + records);
      partition.unread = Math.max(partition.unread, nextOffset);
      return { body, nextOffset };
    },
  };
}
