import type { DeadLetterStore } from '../events/dead-letter.ts';
import { assert } from '../shared/assert.ts';
import type { Backoff } from '../shared/backoff.ts';
import type { Clock, Random } from '../shared/clock.ts';
import { forEachLimited } from '../shared/concurrency.ts';
import { describeError } from '../shared/error.ts';
import type { Log } from '../shared/log.ts';
import type { Telemetry } from '../shared/telemetry.ts';
import { type FlushEnd, flushTopic } from './flush-topic.ts';
import type { OutboxStore } from './outbox-ports.ts';
import type { WriteRecords } from './ports.ts';

/** What one flush of the outbox needs. */
export interface FlushOptions {
  readonly outbox: OutboxStore;
  readonly write: WriteRecords;
  readonly deadLetters: DeadLetterStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly report: Log;
  readonly telemetry: Telemetry;
  /** Names this flush; no two share one. */
  readonly owner: string;
  /**
   * By topic, the owner of a lease that could not be given up since the store was away: the next flush of this process
   * need not wait until it lapses. Kept from flush to flush.
   */
  readonly abandonedLeases: Map<string, string>;
  /** `strict`: a batch that waits for its next attempt holds back its topic; `relaxed`: later ones pass it. */
  readonly ordering: 'strict' | 'relaxed';
  readonly limits: FlushLimits;
}

/** The bounds of one flush. */
export interface FlushLimits {
  /** No produce begins that could end after this many milliseconds. Longer than `produceMs`. */
  readonly budgetMs: number;
  /** The longest that one produce can take. */
  readonly produceMs: number;
  /** Longer than `produceMs`. */
  readonly leaseMs: number;
  /** Topics flushed at once. */
  readonly topicsMax: number;
  /** Batches of a topic read at once; each is at most 900 kB, and more when unpacked. */
  readonly pageBatches: number;
  /** Waits between the attempts to produce a batch. */
  readonly backoff: Backoff;
}

/** What a flush came to; all but topics are records. */
export interface FlushSummary {
  /** Topics with a backlog that nobody else was flushing. */
  readonly topics: number;
  readonly produced: number;
  /** Not confirmed: they wait for their next attempt. */
  readonly postponed: number;
  readonly deadLettered: number;
}

/**
 * One flush of the outbox: of each topic that has a backlog and is free, batches are produced, the oldest first, and
 * leave the outbox *after* the log confirmed them. A timer is a hint, not a lock: several flushes at once are safe.
 * What a crash or a lost lease leaves behind is produced again, never lost.
 *
 * @throws the first error by which a store failed; the other topics are flushed all the same.
 */
export async function flushOutbox(options: FlushOptions): Promise<FlushSummary> {
  const { clock, outbox, limits, report, telemetry } = options;
  assert(limits.leaseMs > limits.produceMs, 'a lease outlasts one produce');
  assert(limits.budgetMs > limits.produceMs, 'there is time for one produce');
  const deadlineMs = clock.now() + limits.budgetMs;
  const summary = { topics: 0, produced: 0, postponed: 0, deadLettered: 0 };
  await forEachLimited(await outbox.topics(), limits.topicsMax, async (topic) => {
    const count = { produced: 0, postponed: 0, deadLettered: 0 };
    let end: FlushEnd | 'failed' = 'failed';
    try {
      end = await telemetry.span('sluice.flush', { topic }, () =>
        flushTopic({ ...options, topic, deadlineMs, count }),
      );
    } catch (error) {
      report.error('outbox.flush-failed', { topic, error: describeError(error) });
      throw error;
    } finally {
      report.info('outbox.flushed', { topic, end, ...count });
      telemetry.count('sluice.produced', count.produced, { topic });
      telemetry.count('sluice.dead-lettered', count.deadLettered, { topic });
      if (end !== 'held') summary.topics += 1;
      summary.produced += count.produced;
      summary.postponed += count.postponed;
      summary.deadLettered += count.deadLettered;
    }
  });
  return summary;
}
