import type { LogRecord, OffsetRange, TopicLog } from './log.ts';
import { invalidRequest, RestError } from './rest-error.ts';
import { type Call, type Operation, param } from './routes.ts';
import type { TopicView } from './topic-view.ts';

/** The most records one call may ask for. */
export const consumeCountMax = 100_000;

const int64Max = 2n ** 63n - 1n;

/**
 * `GET /v1/consumer/topics/{topic}/partitions/{partition}/offsets/{offset}?count={n}`: a page of records, and in
 * `NextOffset` where to read on. The page ends after `count` records (default 1) or before the record that would
 * take its keys and values over `pageBytesMax` bytes; it holds at least one record if there is any.
 */
export function createConsume(options: { log: TopicLog; view: TopicView; pageBytesMax: number }): Operation {
  const { log, view, pageBytesMax } = options;
  return (call) => {
    const topic = view.topic(param(call, 'topic'));
    const partition = view.partition(topic, param(call, 'partition'));
    const offset = readOffset(param(call, 'offset'));
    const countMax = readCount(call);
    checkInRange(offset, log.range(topic.name, partition));

    const page = log.read(topic.name, partition, { offset, countMax, bytesMax: pageBytesMax });
    return {
      status: 200,
      headers: { NextOffset: String(page.nextOffset) },
      body: `{"records":[${page.records.map(recordText).join(',')}]}`,
    };
  };
}

/** A record of the contract. Its int64 offset is written digit for digit, so not by JSON.stringify. */
function recordText({ key, value, partition, offset, timestampMs }: LogRecord): string {
  return (
    `{"key":${JSON.stringify(key)},"value":${JSON.stringify(value)},"partition":${partition},` +
    `"offset":${offset},"timestamp":${timestampMs},"timestampType":"CREATE_TIME"}`
  );
}

function readOffset(text: string): bigint {
  const offset = /^[0-9]{1,19}$/.test(text) ? BigInt(text) : -1n;
  if (offset >= 0n && offset <= int64Max) return offset;
  throw invalidRequest(`An offset is a decimal integer from 0 to ${int64Max}, not "${text}".`);
}

function readCount({ query }: Call): number {
  const counts = new URLSearchParams(query).getAll('count');
  if (counts.length === 0) return 1;
  const [text = ''] = counts;
  const count = counts.length === 1 && /^[0-9]{1,6}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= consumeCountMax) return count;
  throw invalidRequest(
    `"count" must be given once, as an integer from 1 to ${consumeCountMax}, not "${counts.join(', ')}".`,
  );
}

function checkInRange(offset: bigint, { earliest, latest }: OffsetRange): void {
  if (offset >= earliest && offset <= latest) return;
  throw new RestError(
    'offset_out_of_range',
    `Offset ${offset} is out of range: the earliest offset is ${earliest}, the latest ${latest}.`,
  );
}
