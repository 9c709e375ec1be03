import type { PartitionBounds, RecordLog } from '../drain/ports.ts';
import type { OperatedSubscription, OperateOptions } from './ports.ts';
import { OperateError } from './problem.ts';

/** @throws {OperateError} `unknown-subscription`, with the names there are. */
export function subscriptionNamed(
  { subscriptions }: Pick<OperateOptions, 'subscriptions'>,
  name: string,
): OperatedSubscription {
  const found = subscriptions.get(name);
  if (found !== undefined) return found;
  const names = [...subscriptions.keys()].join(', ') || '(none)';
  throw new OperateError('unknown-subscription', `"${name}" is not configured; there are: ${names}`);
}

/**
 * The bounds of all partitions of a topic, or of one.
 *
 * @throws {OperateError} `unknown-topic` or `unknown-partition`.
 */
export async function boundsOf(
  log: RecordLog,
  topic: string,
  partition: number | undefined,
): Promise<readonly PartitionBounds[]> {
  const all = await log.partitions(topic);
  if (all === undefined) throw new OperateError('unknown-topic', `Kafka has no topic "${topic}" (yet)`);
  if (partition === undefined) return all;
  const chosen = all.filter((bounds) => bounds.partition === partition);
  if (chosen.length > 0) return chosen;
  throw new OperateError('unknown-partition', `${topic} has ${all.length} partitions, from 0 on`);
}

/** @throws {OperateError} `unknown-topic` when the subscription does not read it. */
export function requireTopic(name: string, { topics }: OperatedSubscription, topic: string): void {
  if (topics.includes(topic)) return;
  throw new OperateError('unknown-topic', `${name} does not read "${topic}"; it reads: ${topics.join(', ')}`);
}
