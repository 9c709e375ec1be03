import { idPlaceholder, orderEventJson } from '../order-event.ts';
import { partitionCount } from './cases.ts';

/** The first offset of every partition: all offsets have ten digits, so that they can be written into bytes. */
export const firstOffset = 1_000_000_000;
/** Values are {@link orderEventJson} of at least this many bytes. */
export const valueBytesMin = 1_024;
/** The consumer API's own limit of a page. */
const pageBytesMax = 6 * 1_048_576;

/** Each record of a topic has a number of its own, from 0 on; it is the id of the event that is its value. */
export function numberOf(partition: number, offset: number): number {
  return (offset - firstOffset) * partitionCount + partition;
}

/** How many bytes the value of a record has. */
export type ValueBytesOf = (number: number) => number;

/** Records of one kilobyte. */
export const kilobyteValues: ValueBytesOf = () => valueBytesMin;

/** Sizes as events have them: nine of ten below 2 KB, one of a hundred over 20 KB, one of a thousand up to 1 MB. */
export const mixedValues: ValueBytesOf = (number) => {
  const share = scatter(number) / 2 ** 32;
  const [from, to] = share < 0.9 ? [1, 2] : share < 0.99 ? [2, 20] : share < 0.999 ? [20, 200] : [200, 1_000];
  return Math.floor(valueBytesMin * (from + (to - from) * (scatter(number + 1) / 2 ** 32)));
};

/** A page of the consumer API, made from a template: no JSON is written while somebody waits for it. */
export interface RecordPage {
  readonly body: Buffer;
  readonly records: number;
}

/** Makes pages of one partition. Its records have a thousand keys, in no order. */
export function createRecordPages(
  partition: number,
  valueBytesOf: ValueBytesOf,
): (from: number, countMax: number) => RecordPage {
  const template = createTemplate(partition);
  return (from, countMax) => {
    const notes: number[] = [];
    let bytes = opening.length + closing.length;
    for (let offset = from; notes.length < countMax; offset += 1) {
      const noteBytes = valueBytesOf(numberOf(partition, offset)) - valueBytesMin;
      const recordBytes = template.bytes + noteBytes + 1;
      if (notes.length > 0 && bytes + recordBytes > pageBytesMax) break;
      notes.push(noteBytes);
      bytes += recordBytes;
    }
    const body = Buffer.allocUnsafe(notes.length === 0 ? bytes : bytes - 1);
    let at = opening.copy(body);
    notes.forEach((noteBytes, index) => {
      if (index > 0) at = body.writeUInt8(comma, at);
      at = template.write(body, at, from + index, noteBytes);
    });
    closing.copy(body, at);
    return { body, records: notes.length };
  };
}

const opening = Buffer.from('{"records":[');
const closing = Buffer.from(']}');
const comma = 0x2c;
const keysPerPartition = 1_000;
const keyPlaceholder = '%%%%%';
const noteEnd = 'xx\\"}}';

function createTemplate(partition: number) {
  const text = JSON.stringify({
    key: `customer-${keyPlaceholder}`,
    value: orderEventJson(valueBytesMin),
    partition,
    offset: firstOffset,
    timestamp: 1_769_860_800_000,
    timestampType: 'CreateTime',
  });
  // More text goes where the value's note ends.
  const head = Buffer.from(text.slice(0, text.indexOf(noteEnd)));
  const tail = Buffer.from(text.slice(text.indexOf(noteEnd)));
  const keyAt = head.indexOf(keyPlaceholder);
  const idAt = head.indexOf(idPlaceholder);
  const offsetAt = tail.indexOf(String(firstOffset));
  return {
    bytes: head.length + tail.length,
    /** Writes a record and returns where the next one goes. */
    write(page: Buffer, at: number, offset: number, noteBytes: number): number {
      const number = numberOf(partition, offset);
      const key = (scatter(offset) % keysPerPartition) * partitionCount + partition;
      head.copy(page, at);
      page.write(String(key).padStart(keyPlaceholder.length, '0'), at + keyAt, 'latin1');
      page.write(String(number).padStart(idPlaceholder.length, '0'), at + idAt, 'latin1');
      const noteAt = at + head.length;
      const tailAt = noteAt + noteBytes;
      if (noteBytes > 0) page.fill('x', noteAt, tailAt, 'latin1');
      tail.copy(page, tailAt);
      page.write(String(offset), tailAt + offsetAt, 'latin1');
      return tailAt + tail.length;
    },
  };
}

/** A number's place among all 32-bit integers, as if drawn by chance: always the same for the same number. */
function scatter(number: number): number {
  let mixed = Math.imul(number ^ (number >>> 16), 0x45d9f3b);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
