import type { Clock } from '../src/shared/clock.ts';
import type { TopicInfo, TopicLog } from './log.ts';
import { invalidRequest, RestError } from './rest-error.ts';
import { isTopicName } from './topic.ts';

/**
 * Topics as the proxy's callers see them: late, as behind the vendor's metadata cache. A new topic can neither be
 * seen nor used until the delay is over; a deleted one is still listed for as long, but can no longer be used.
 */
export interface TopicView {
  /** The unique names of the topics there were when the delay began. */
  names(): string[];
  /** @throws {RestError} invalid_topic_name, unknown_topic_or_partition */
  topic(name: string): TopicInfo;
  /**
   * The number in `text`, a partition of `topic`.
   *
   * @throws {RestError} invalid_request, unknown_topic_or_partition
   */
  partition(topic: TopicInfo, text: string): number;
}

/** Looks at the log as callers see it, `visibilityDelayMs` late. */
export function createTopicView(options: {
  log: TopicLog;
  clock: Clock;
  visibilityDelayMs: number;
}): TopicView {
  const { log, clock, visibilityDelayMs } = options;
  const seenAtMs = () => clock.now() - visibilityDelayMs;
  return {
    names: () => {
      const now = seenAtMs();
      const seen = log
        .lifetimes()
        .filter(({ createdAtMs, deletedAtMs }) => createdAtMs <= now && now < deletedAtMs);
      return [...new Set(seen.map(({ name }) => name))];
    },
    topic: (name) => {
      checkTopicName(name);
      const topic = log.topic(name);
      if (topic === undefined || topic.createdAtMs > seenAtMs()) {
        throw new RestError('unknown_topic_or_partition', `There is no topic "${name}".`);
      }
      return topic;
    },
    partition: (topic, text) => {
      if (!/^[0-9]{1,10}$/.test(text)) {
        throw invalidRequest(`A partition is a decimal integer from 0 up, not "${text}".`);
      }
      const partition = Number(text);
      if (partition < topic.partitionCount) return partition;
      throw new RestError(
        'unknown_topic_or_partition',
        `Topic "${topic.name}" has no partition ${partition}: it has ${topic.partitionCount}, from 0.`,
      );
    },
  };
}

/** @throws {RestError} invalid_topic_name */
export function checkTopicName(name: string): void {
  if (isTopicName(name)) return;
  throw new RestError(
    'invalid_topic_name',
    `"${name.slice(0, 300)}" cannot name a topic: 1 to 249 of the letters a-z, A-Z, digits and . _ - ` +
      'can, but not "." or "..".',
  );
}
