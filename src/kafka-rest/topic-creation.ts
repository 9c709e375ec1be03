import { describeError } from '../shared/error.ts';
import type { Log } from '../shared/log.ts';
import type { KafkaRest } from './client.ts';
import { KafkaRestError } from './errors.ts';
import type { TopicSettings } from './requests.ts';

/** Makes topics that are missing, once each. */
export interface TopicCreation {
  /** Whether the bridge may make a topic: only those that routes name outright, so that no sender can. */
  makes(topic: string): boolean;
  /**
   * Resolves when the topic, which must be one that may be made, is listed, making it first if need be. Concurrent
   * calls share one attempt.
   *
   * @throws {KafkaRestError}
   */
  ensure(topic: string, report: Log): Promise<void>;
  /** The topic turned out to be missing: the next `ensure` looks again. */
  forget(topic: string): void;
}

/** What creating needs. */
export interface TopicCreationOptions {
  readonly client: KafkaRest;
  /** The topics that may be made. */
  readonly topics: ReadonlySet<string>;
  readonly settings: TopicSettings & { readonly listedWithinMs: number };
}

/** Kafka's code for TOPIC_ALREADY_EXISTS. */
const topicExistsCode = 36;

/** Makes topics that are missing, each once for all who wait for it. */
export function createTopicCreation({ client, topics, settings }: TopicCreationOptions): TopicCreation {
  const ensured = new Map<string, Promise<void>>();

  async function make(topic: string, report: Log): Promise<void> {
    if ((await client.listTopics()).includes(topic)) return;
    try {
      await client.createTopic(topic, settings);
      report.info('topic.created', { topic, partitions: settings.partitions });
    } catch (error) {
      if (!(error instanceof KafkaRestError)) throw error;
      report.warn('topic.not-created', { topic, error: describeError(error) });
      // Refused because another instance has made it just now? Only then is there something to wait for.
      if (error.proxyCode !== topicExistsCode && !(await client.listTopics()).includes(topic)) throw error;
    }
    await client.waitUntilListed(topic, { withinMs: settings.listedWithinMs });
  }

  return {
    makes: (topic) => topics.has(topic),
    ensure(topic, report) {
      let pending = ensured.get(topic);
      if (pending === undefined) {
        pending = make(topic, report);
        ensured.set(topic, pending);
        pending.catch(() => ensured.delete(topic));
      }
      return pending;
    },
    forget: (topic) => {
      ensured.delete(topic);
    },
  };
}
