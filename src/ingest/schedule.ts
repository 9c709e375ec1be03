import type { CloudEvent } from '../events/cloud-event.ts';

/** A schedule whose events the clock makes. */
export interface Schedule {
  readonly type: string;
  readonly subject?: string | undefined;
  readonly data?: unknown;
}

/** A timer may fire this much before its time. */
const earlyMsMax = 1_000;

/**
 * When the occurrence was due for which a timer fired. While a timer runs, the status that the platform hands over
 * still shows this very occurrence as the next one (azure-webjobs-sdk-extensions, `TimerListener.cs`); a run at
 * startup, or a timer without a monitor, has only the present.
 *
 * @param statusNext `scheduleStatus.next` of the timer, an ISO 8601 time.
 */
export function occurrenceOf(statusNext: string | undefined, nowMs: number): number {
  const nextMs = statusNext === undefined ? Number.NaN : Date.parse(statusNext);
  return nextMs <= nowMs + earlyMsMax ? nextMs : nowMs;
}

/**
 * The event of one occurrence of a schedule. Its id comes from name and time, so that a timer that fires twice for
 * one occurrence makes the same event twice. Cron knows no fractions of a second, so neither does the id.
 */
export function scheduledEvent(name: string, schedule: Schedule, occurrenceMs: number): CloudEvent {
  const scheduledAt = new Date(Math.floor(occurrenceMs / 1000) * 1000).toISOString();
  return {
    specversion: '1.0',
    id: `${name}-${scheduledAt}`,
    source: `/schedules/${name}`,
    type: schedule.type,
    time: scheduledAt,
    datacontenttype: 'application/json',
    ...(schedule.subject !== undefined && { subject: schedule.subject }),
    data: schedule.data ?? { schedule: name, scheduledAt },
  };
}
