import type { CloudEvent } from '../events/cloud-event.ts';
import { type AcceptOptions, acceptEvents, settleUnanswered } from '../ingest/accept.ts';
import { EventGridError, fromEventGrid } from '../ingest/event-grid.ts';
import { dueOccurrences, scheduledEvent, timerCronOf } from '../ingest/schedule.ts';
import { assert } from '../shared/assert.ts';
import { stringifyDeepJson } from '../shared/json.ts';
import type { AddDeadLetter } from './dead-letters.ts';
import type { Invocation, Surroundings } from './surroundings.ts';

/** The triggers whose events nobody waits to see answered: Event Grid's, and the timers of schedules. */
export interface Unanswered {
  /** Takes in one event of an Event Grid trigger. @throws when it was not kept, so that it is sent again. */
  receiveFromEventGrid(input: unknown, invocation: Invocation): Promise<void>;
  /** The cron by which the platform fires the timer of each schedule, by the schedule's name. */
  readonly timerCrons: ReadonlyMap<string, string>;
  /**
   * Publishes the occurrences for which a schedule's timer has fired.
   *
   * @param statusNext when the platform's status says that the timer was to fire, where it keeps one.
   * @throws when one of them was not kept.
   */
  publishSchedule(name: string, statusNext: string | undefined, invocation: Invocation): Promise<void>;
}

/** Events of one source, and for how long they are recognised by their ids. */
interface Arrival {
  readonly source: string;
  readonly windowMs: number;
  readonly events: readonly CloudEvent[];
}

/** Takes events in, and dead-letters those that can never be. @throws when one of them was not kept. */
type Take = (arrival: Arrival, invocation: Invocation) => Promise<void>;

/** A doubled timer is recognised for as long as the platform may fire late. */
const scheduleWindowMs = 7 * 24 * 3_600_000;

/** Wires the triggers whose events nobody waits to see answered. */
export function composeUnanswered(
  surroundings: Surroundings,
  { accept, deadLetter }: { readonly accept: AcceptOptions; readonly deadLetter: AddDeadLetter },
): Unanswered {
  const { telemetry } = surroundings;
  const take: Take = ({ source, windowMs, events }, { caller }) => {
    const takeAll = async () => {
      const outcomes = await acceptEvents(accept, events, { source, windowMs, whole: false });
      await settleUnanswered(events, outcomes, (event, reason) =>
        deadLetter(originOf(source), { id: event.id, payload: JSON.stringify(event), reason }),
      );
    };
    return telemetry.span('sluice.receive', { source }, takeAll, caller);
  };
  return {
    receiveFromEventGrid: composeEventGrid(surroundings, { take, deadLetter }),
    ...composeSchedules(surroundings, take),
  };
}

/** Where a dead letter of the source came from. */
function originOf(source: string): string {
  return `ingest:${source}`;
}

function composeEventGrid(
  { config, telemetry }: Surroundings,
  { take, deadLetter }: { readonly take: Take; readonly deadLetter: AddDeadLetter },
): Unanswered['receiveFromEventGrid'] {
  const source = 'eventgrid';
  const windowMs = config.ingest.eventGridWindowSeconds * 1_000;
  return async (input, invocation) => {
    let event: CloudEvent;
    try {
      event = fromEventGrid(input, config.limits);
    } catch (error) {
      if (!(error instanceof EventGridError)) throw error;
      const { code, message } = error;
      telemetry.count('sluice.rejected', 1, { reason: code, source });
      const payload = stringifyDeepJson(input);
      return deadLetter(originOf(source), { id: '', payload, reason: { code, message } });
    }
    await take({ source, windowMs, events: [event] }, invocation);
  };
}

function composeSchedules(
  { clock, config }: Surroundings,
  take: Take,
): Pick<Unanswered, 'timerCrons' | 'publishSchedule'> {
  const timerCrons = new Map(
    Object.entries(config.schedules).map(([name, schedule]) => [name, timerCronOf(schedule, clock.now())]),
  );
  return {
    timerCrons,
    async publishSchedule(name, statusNext, invocation) {
      const schedule = config.schedules[name];
      const timerCron = timerCrons.get(name);
      assert(
        schedule !== undefined && timerCron !== undefined,
        'timers are registered for configured schedules',
      );
      const run = { timerCron, statusNext, nowMs: clock.now() };
      const { occurrencesMs, missedSinceMs } = await dueOccurrences(schedule, run);
      if (missedSinceMs !== undefined) {
        invocation.report.warn('schedule.missed', {
          schedule: name,
          policy: schedule.missed,
          since: new Date(missedSinceMs).toISOString(),
          published: occurrencesMs.length,
        });
      }
      const events = occurrencesMs.map((occurrenceMs) => scheduledEvent(name, schedule, occurrenceMs));
      await take({ source: `schedule-${name}`, windowMs: scheduleWindowMs, events }, invocation);
    },
  };
}
