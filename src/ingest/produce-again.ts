import { z } from 'zod';
import { parseCloudEvent } from '../events/cloud-event.ts';
import type { DeadLetter } from '../events/dead-letter.ts';
import { describeError } from '../shared/error.ts';
import { parseJson } from '../shared/json.ts';
import type { OutgoingRecord, WriteRecords } from './ports.ts';
import type { Router } from './route.ts';

/** What producing a dead letter once more needs. */
export interface ProduceAgainOptions {
  readonly write: WriteRecords;
  readonly router: Pick<Router, 'route'>;
}

type Placed = { readonly topic: string; readonly record: OutgoingRecord } | { readonly error: string };

const recordSchema = z.object({
  value: z.unknown(),
  key: z.exactOptional(z.string()),
  partition: z.exactOptional(z.int()),
});

const originPrefix = 'ingest:';

/**
 * Produces a letter of the way in (`ingest:…`, `outbox:…`) once more: a record to the topic that it was meant for,
 * an event to the topic that the routes name today. What the log does not take stays a dead letter; it goes neither
 * to the outbox nor becomes a second letter. It does not throw.
 */
export async function produceAgain(
  options: ProduceAgainOptions,
  letter: DeadLetter,
): Promise<{ readonly ok: true } | { readonly ok: false; readonly error: string }> {
  const placed = await place(options, letter);
  if ('error' in placed) return { ok: false, error: placed.error };
  const [outcome] = await options.write(placed.topic, [placed.record]);
  if (outcome?.ok) return { ok: true };
  const error = outcome === undefined ? 'nothing was said of it' : `${outcome.code}: ${outcome.message}`;
  return { ok: false, error: `the topic ${placed.topic} did not take it: ${error}` };
}

async function place({ router }: ProduceAgainOptions, letter: DeadLetter): Promise<Placed> {
  let payload: unknown;
  try {
    payload = parseJson(letter.payload);
  } catch (error) {
    return { error: `the payload is no JSON: ${describeError(error)}` };
  }
  if (letter.topic !== undefined) {
    // Only what was routed has a topic, and its payload is the record as it was to be written.
    const record = recordSchema.safeParse(payload);
    return record.success
      ? { topic: letter.topic, record: record.data }
      : { error: `the payload is no record: ${z.prettifyError(record.error)}` };
  }
  const parsed = parseCloudEvent(payload);
  if (!parsed.ok) {
    return { error: `the payload is no CloudEvent: ${parsed.problem.attribute} ${parsed.problem.message}` };
  }
  const source = letter.origin.startsWith(originPrefix)
    ? letter.origin.slice(originPrefix.length)
    : undefined;
  const routed = await router.route(parsed.event, source);
  if (routed.kind === 'record') return routed;
  return { error: reasons[routed.kind] };
}

const reasons = {
  unrouted: 'no route fits the event',
  invalid: 'the event does not fit its route',
  filtered: "the route's transform makes nothing of it",
};
