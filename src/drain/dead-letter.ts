import type { Attempt, DeadLetter } from '../events/dead-letter.ts';
import { sortableOffset, type TopicRecord, webhookIdOf } from '../events/record.ts';
import { toRecordJson } from './record-json.ts';

/** A record that is given up, with all that is needed to send it again. */
export function deadLetterOf({
  subscription,
  record,
  attempts,
  reason,
  nowMs,
}: {
  readonly subscription: string;
  readonly record: TopicRecord;
  readonly attempts: readonly Attempt[];
  readonly reason: { readonly code: string; readonly message: string };
  readonly nowMs: number;
}): DeadLetter {
  return {
    origin: subscription,
    id: webhookIdOf(record),
    topic: record.topic,
    reason,
    payload: JSON.stringify(toRecordJson(record)),
    atMs: nowMs,
    attempts,
  };
}

/** The key of a record's dead letter: adding the letter again, as after a crash, adds nothing. */
export function deadLetterKey({ topic, partition, offset }: TopicRecord): string {
  return `${topic}:${partition}:${sortableOffset(offset)}`;
}
