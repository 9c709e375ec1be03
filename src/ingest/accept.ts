import type { CloudEvent } from '../events/cloud-event.ts';
import { SluiceError } from '../shared/error.ts';
import type { Telemetry } from '../shared/telemetry.ts';
import type { Carry } from './batcher.ts';
import type { Fate } from './keep.ts';
import type { Once } from './once.ts';
import type { OutgoingRecord } from './ports.ts';
import type { Routed, Router } from './route.ts';

/**
 * What became of an event: the fate of its record, or why it has none. `withheld` events are good ones of a batch
 * that is refused whole.
 */
export type Outcome =
  | (Fate & { readonly topic: string })
  | Exclude<Routed, { readonly kind: 'record' }>
  | { readonly kind: 'withheld' };

/** How events came in. */
export interface Arrival {
  /** The source by which they came, if they came by one; routes may ask for it. */
  readonly source?: string | undefined;
  /** For how long what is sent again is recognised by its id; undefined: never. */
  readonly windowMs?: number | undefined;
  /** True when one event that no route takes refuses them all, before anything is written. */
  readonly whole: boolean;
}

/** What accepting needs. */
export interface AcceptOptions {
  readonly router: Router;
  readonly carry: Carry<Fate>;
  readonly once: Once;
  readonly telemetry: Telemetry;
}

/**
 * Takes events in: routes each, then keeps its record. Outcomes stand in the order of the events; `produced` means
 * that the log has confirmed the record, `queued` that the outbox holds it.
 */
export async function acceptEvents(
  options: AcceptOptions,
  events: readonly CloudEvent[],
  arrival: Arrival,
): Promise<readonly Outcome[]> {
  const routed = await Promise.all(events.map((event) => options.router.route(event, arrival.source)));
  const refused = arrival.whole && routed.some(isRefused);
  // Looking up whether an event was kept before takes its time; they leave in their order all the same.
  let turn: Promise<void> = Promise.resolve();
  const outcomes = await Promise.all(
    routed.map((route, index): Outcome | Promise<Outcome> => {
      if (route.kind !== 'record') return route;
      const event = events[index];
      if (refused || event === undefined) return { kind: 'withheld' };
      const before = turn;
      const left = Promise.withResolvers<void>();
      turn = left.promise.then(() => before);
      return keep(options, event, route, arrival, { before, leave: left.resolve }).finally(left.resolve);
    }),
  );
  const source = arrival.source ?? '';
  for (const { kind } of outcomes) {
    const reason = rejectionReasons[kind];
    if (reason === undefined) options.telemetry.count('sluice.accepted', 1, { outcome: kind, source });
    else options.telemetry.count('sluice.rejected', 1, { reason, source });
  }
  return outcomes;
}

/** Of the outcomes that leave an event outside, the kind of problem by which its sender learns of it. */
const rejectionReasons: Readonly<Partial<Record<Outcome['kind'], string>>> = {
  unrouted: 'no-route',
  invalid: 'invalid-data',
  failed: 'not-kept',
  withheld: 'withheld',
};

/** Whether an event can never be taken in as it is. */
export function isRefused(outcome: Routed | Outcome): boolean {
  return outcome.kind === 'unrouted' || outcome.kind === 'invalid';
}

/** When an event may leave, so that those of one request are written in their order. */
interface Turn {
  /** Resolves when all before it have left, or never will. */
  readonly before: Promise<void>;
  leave(): void;
}

async function keep(
  { carry, once }: AcceptOptions,
  event: CloudEvent,
  { topic, record }: { readonly topic: string; readonly record: OutgoingRecord },
  { source, windowMs }: Arrival,
  { before, leave }: Turn,
): Promise<Outcome> {
  const write = async () => {
    await before;
    const kept = carry(topic, [record]);
    leave();
    const [fate] = await kept;
    if (fate === undefined) throw new Error(`nothing was said of the record of event ${event.id}`);
    return fate;
  };
  if (windowMs === undefined) return { ...(await write()), topic };
  // Source and id together name an event (CloudEvents, "id").
  const name = `${event.source} ${event.id}`;
  return { ...(await once({ source: source ?? event.source, id: name, windowMs }, write)), topic };
}

/** An event that came by a trigger without an answer could not be kept; the platform is to try again. */
export class NotKeptError extends SluiceError {
  constructor(outcome: Extract<Outcome, { kind: 'failed' }>) {
    const message = `neither the topic ${outcome.topic} nor the outbox took the event: ${outcome.code}`;
    super({ code: 'ingest.not-kept', message, retryable: true });
  }
}

/**
 * Settles events that came by a trigger without an answer. What can never be taken in is dead-lettered, with its
 * payload and the reason, so that it is not sent again for ever; what could not be kept now is thrown back.
 *
 * @throws {NotKeptError} when an event is to come again.
 */
export async function settleUnanswered(
  events: readonly CloudEvent[],
  outcomes: readonly Outcome[],
  deadLetter: (
    event: CloudEvent,
    reason: { readonly code: string; readonly message: string },
  ) => Promise<void>,
): Promise<void> {
  for (const [index, outcome] of outcomes.entries()) {
    const event = events[index];
    if (event !== undefined && isRefused(outcome)) await deadLetter(event, reasonOf(outcome));
  }
  for (const outcome of outcomes) {
    if (outcome.kind === 'failed') throw new NotKeptError(outcome);
  }
}

function reasonOf(outcome: Outcome): { code: string; message: string } {
  if (outcome.kind !== 'invalid') return { code: 'ingest.unrouted', message: 'no route fits the event' };
  const message = outcome.problems.map((problem) => `${problem.path}: ${problem.message}`).join('; ');
  return { code: 'ingest.invalid', message };
}
