import type { CloudEvent } from '../events/cloud-event.ts';
import { SluiceError } from '../shared/error.ts';
import type { WriteOutcome, WriteRecords } from './ports.ts';
import { chooseRoute, type Route, toRecord } from './route.ts';

/** What became of an event: written to a topic, or of no interest to any route, or not written. */
export type Outcome =
  | {
      readonly kind: 'produced';
      readonly topic: string;
      readonly partition?: number;
      readonly offset?: bigint;
    }
  | { readonly kind: 'unrouted' }
  | { readonly kind: 'failed'; readonly topic: string; readonly code: string; readonly message: string };

/** What accepting needs. */
export interface AcceptOptions {
  readonly routes: readonly Route[];
  readonly write: WriteRecords;
}

/**
 * Takes events in: routes each and writes it, one call a topic. Outcomes stand in the order of the events, and
 * `produced` means that the log has confirmed the record.
 *
 * @param source the source by which the events came in, where they came by one.
 */
export async function acceptEvents(
  { routes, write }: AcceptOptions,
  events: readonly CloudEvent[],
  source?: string,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = events.map(() => ({ kind: 'unrouted' }));
  const byTopic = new Map<string, { index: number; event: CloudEvent; route: Route }[]>();
  for (const [index, event] of events.entries()) {
    const route = chooseRoute(routes, event, source);
    if (route === undefined) continue;
    byTopic.set(route.topic, [...(byTopic.get(route.topic) ?? []), { index, event, route }]);
  }
  await Promise.all(
    [...byTopic].map(async ([topic, routed]) => {
      const written = await write(
        topic,
        routed.map(({ event, route }) => toRecord(event, route)),
      );
      for (const [position, { index }] of routed.entries())
        outcomes[index] = outcomeOf(topic, written[position]);
    }),
  );
  return outcomes;
}

function outcomeOf(topic: string, written: WriteOutcome | undefined): Outcome {
  if (written === undefined) {
    return {
      kind: 'failed',
      topic,
      code: 'ingest.unanswered',
      message: 'the log said nothing of this record',
    };
  }
  if (!written.ok) return { kind: 'failed', topic, code: written.code, message: written.message };
  const { ok: _, ...position } = written;
  return { kind: 'produced', topic, ...position };
}

/** An event that came by a trigger without an answer could not be written; the platform is to try again. */
export class NotProducedError extends SluiceError {
  constructor(outcome: Exclude<Outcome, { kind: 'produced' }>) {
    const message =
      outcome.kind === 'unrouted'
        ? 'no route fits the event; add one under routes'
        : `the topic ${outcome.topic} did not take the event: ${outcome.code}`;
    super({ code: `ingest.${outcome.kind}`, message, retryable: true });
  }
}

/** @throws {NotProducedError} unless every event was written. */
export function assertProduced(outcomes: readonly Outcome[]): void {
  for (const outcome of outcomes) {
    if (outcome.kind !== 'produced') throw new NotProducedError(outcome);
  }
}
