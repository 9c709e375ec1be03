import type { PreparedRecord } from '../delivery/deliver.ts';
import { failureOf } from '../delivery/verdict.ts';
import type { TopicRecord } from '../events/record.ts';
import { forEachLimited } from '../shared/concurrency.ts';
import { describeError, SluiceError } from '../shared/error.ts';
import { offsetOf } from './find-offset.ts';
import { createGatedDelivery, type GatedDelivery, type Stopped } from './gated-delivery.ts';
import type { OperatedSubscription, OperateOptions } from './ports.ts';
import { OperateError } from './problem.ts';
import { replaySettings } from './replay-settings.ts';
import type { ReplayRequest } from './requests.ts';
import { boundsOf, requireTopic, subscriptionNamed } from './subscriptions.ts';

/** No read or attempt begins after this; the platform answers for a function at the latest after 230 s. */
const budgetMs = 60_000;
const partitionsMax = 8;
const pageRecords = 100;
/** Pages without a record, one after another, before a call gives way to the next. */
const emptyPagesMax = 64;

/** What one call replayed, and where the next one goes on. Offsets are decimal strings. */
export interface ReplayOutcome {
  readonly topic: string;
  readonly url: string;
  /** Records of this call. */
  readonly delivered: number;
  readonly filtered: number;
  /** Partitions that are not at the end of their range: call again with these. */
  readonly continue: readonly {
    readonly partition: number;
    readonly nextOffset: string;
    readonly toOffset: string;
  }[];
  /** Records that were not taken or could not be read; `continue` begins with them, so that another call tries again. */
  readonly failures: readonly {
    readonly partition: number;
    readonly offset: string;
    readonly error: string;
  }[];
  /** Why the partitions of `continue` that have not failed stand still, where that is not for want of time. */
  readonly stopped?: Stopped;
}

interface Part {
  readonly partition: number;
  nextOffset: bigint;
  readonly toOffset: bigint;
}

interface Run {
  readonly options: OperateOptions;
  readonly delivery: GatedDelivery;
  readonly topic: string;
  readonly untilMs: number;
  delivered: number;
  filtered: number;
  readonly failures: ReplayOutcome['failures'][number][];
  stopped: Stopped | undefined;
}

/**
 * Sends records of a range to another URL, each partition in its order, as the subscription would send them, and no
 * faster. The live checkpoints and the state of the subscription's own endpoint are neither read nor written. A record
 * that is not taken stops its partition; a target that asks for a wait, or is gone, stops all of them.
 */
export async function replay(options: OperateOptions, request: ReplayRequest): Promise<ReplayOutcome> {
  const subscription = subscriptionNamed(options, request.subscription);
  const topic = topicOf(request, subscription);
  const settings = replaySettings(subscription.settings, request.url);
  const parts = request.continue?.map((part) => ({ ...part })) ?? (await rangeOf(options, topic, request));
  const untilMs = options.clock.now() + budgetMs;
  const opened = await options.openDelivery(settings);
  const target = { ...subscription, name: request.subscription, delivery: opened, ownState: true };
  const delivery = createGatedDelivery(options, target);
  const counts = { delivered: 0, filtered: 0, failures: [], stopped: undefined };
  const run: Run = { options, delivery, topic, untilMs, ...counts };
  try {
    await forEachLimited(parts, partitionsMax, (part) => replayPartition(run, part));
  } finally {
    await opened.close();
  }
  const { delivered, filtered, failures, stopped } = run;
  // Of the target the host alone: its path and query may hold a secret.
  const { host: to } = new URL(request.url);
  options.report.warn('operate.replay', {
    subscription: request.subscription,
    topic,
    to,
    delivered,
    filtered,
    failures: failures.length,
  });
  return {
    topic,
    url: request.url,
    delivered,
    filtered,
    continue: parts
      .filter(({ nextOffset, toOffset }) => nextOffset < toOffset)
      .map(({ partition, nextOffset, toOffset }) => ({
        partition,
        nextOffset: nextOffset.toString(),
        toOffset: toOffset.toString(),
      })),
    failures,
    ...(stopped !== undefined && { stopped }),
  };
}

function topicOf(request: ReplayRequest, subscription: OperatedSubscription): string {
  const { topics } = subscription;
  const topic = request.topic ?? (topics.length === 1 ? topics[0] : undefined);
  if (topic === undefined) {
    const message = `name one of the topics of ${request.subscription}: ${topics.join(', ')}`;
    throw new OperateError('invalid-request', message);
  }
  requireTopic(request.subscription, subscription, topic);
  return topic;
}

async function rangeOf(options: OperateOptions, topic: string, request: ReplayRequest): Promise<Part[]> {
  const parts: Part[] = [];
  for (const bounds of await boundsOf(options.log, topic, request.partition)) {
    const nextOffset = await offsetOf(options.log, topic, bounds, request.from);
    const toOffset = await offsetOf(options.log, topic, bounds, request.to);
    parts.push({ partition: bounds.partition, nextOffset, toOffset });
  }
  return parts.sort((one, two) => one.partition - two.partition);
}

async function replayPartition(run: Run, part: Part): Promise<void> {
  const { log, clock } = run.options;
  for (let emptyPages = 0; part.nextOffset < part.toOffset && emptyPages < emptyPagesMax; ) {
    if (clock.now() >= run.untilMs) return;
    const from = part.nextOffset;
    let page: Awaited<ReturnType<typeof log.read>>;
    try {
      page = await log.read({
        topic: run.topic,
        partition: part.partition,
        offset: from,
        count: pageRecords,
      });
    } catch (error) {
      // The log throws these; the other partitions go on, and what they came to is not lost with this one.
      if (!(error instanceof SluiceError)) throw error;
      return fail(run, part, from, describeError(error));
    }
    // A page may begin before the offset that was asked for.
    const records = page.records.filter(({ offset }) => offset >= from && offset < part.toOffset);
    emptyPages = records.length === 0 ? emptyPages + 1 : 0;
    if (!(await sendAll(run, part, records))) return;
    const readTo = page.nextOffset > part.nextOffset ? page.nextOffset : part.nextOffset;
    // An empty page that does not lead on would be asked for for ever.
    part.nextOffset = records.length === 0 && readTo === from ? from + 1n : readTo;
  }
}

/** Sends records in their order, as many in a request as the form allows; false when it stopped before the end. */
async function sendAll(run: Run, part: Part, records: readonly TopicRecord[]): Promise<boolean> {
  const { batch } = run.delivery;
  let waiting: PreparedRecord[] = [];
  let bytes = 0;
  const flush = async () => {
    const sent = waiting.length === 0 || (await sendTogether(run, part, waiting));
    waiting = [];
    bytes = 0;
    return sent;
  };
  for (const record of records) {
    const preparation = await run.delivery.prepare(record);
    if (preparation.kind === 'failed') {
      if (await flush()) fail(run, part, record.offset, preparation.reason.message);
      return false;
    }
    if (preparation.kind === 'filtered') {
      run.filtered += 1;
      continue;
    }
    const { prepared } = preparation;
    const fits =
      waiting.length < batch.recordsMax &&
      bytes + prepared.bytes <= batch.bytesMax &&
      (waiting[0] === undefined || waiting[0].target === prepared.target);
    if (!fits && !(await flush())) return false;
    if (run.options.clock.now() >= run.untilMs) {
      // What is filtered already is behind it; nothing that waits is lost, for `nextOffset` says where it begins.
      part.nextOffset = waiting[0]?.record.offset ?? record.offset;
      return false;
    }
    waiting.push(prepared);
    bytes += prepared.bytes;
  }
  return flush();
}

/** One request; when its records are refused together, each goes alone until the refused one is found. */
async function sendTogether(run: Run, part: Part, prepared: readonly PreparedRecord[]): Promise<boolean> {
  const [first] = prepared;
  const last = prepared.at(-1);
  if (first === undefined || last === undefined) return true;
  const gated = await run.delivery.attempt(prepared, 0);
  if ('why' in gated) {
    part.nextOffset = first.record.offset;
    run.stopped = gated;
    return false;
  }
  const { verdict } = gated;
  await gated.leave();
  if (verdict.kind === 'split') {
    for (const one of prepared) {
      if (!(await sendTogether(run, part, [one]))) return false;
    }
    return true;
  }
  const error = failureOf(verdict);
  if (error !== undefined) {
    fail(run, part, first.record.offset, error);
    return false;
  }
  run.delivered += prepared.length;
  part.nextOffset = last.record.offset + 1n;
  return true;
}

function fail(run: Run, part: Part, offset: bigint, error: string): void {
  part.nextOffset = offset;
  run.failures.push({ partition: part.partition, offset: offset.toString(), error });
}
