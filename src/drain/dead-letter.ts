import type { Attempt, DeadLetter } from '../events/dead-letter.ts';
import { type TopicRecord, webhookIdOf } from '../events/record.ts';

/** Offsets are int64: so many digits make keys sort as numbers do. */
const offsetDigits = 19;

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
  const { topic, partition, offset, key, value, timestampMs } = record;
  const payload = { topic, partition, offset: `${offset}`, key, value, timestampMs: `${timestampMs}` };
  return {
    origin: subscription,
    id: webhookIdOf(record),
    topic,
    reason,
    payload: JSON.stringify(payload),
    atMs: nowMs,
    attempts,
  };
}

/** The key of a record's dead letter: burying it again, as after a crash, adds nothing. */
export function deadLetterKey({ topic, partition, offset }: TopicRecord): string {
  return `${topic}:${partition}:${offset.toString().padStart(offsetDigits, '0')}`;
}
