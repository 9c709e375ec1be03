import type { CloudEvent } from '../events/cloud-event.ts';

/** A schedule whose events the clock makes. */
export interface Schedule {
  /** Six fields, seconds first; read in `timeZone`. */
  readonly cron: string;
  /** An IANA name. */
  readonly timeZone: string;
  /** What a late run makes up for: the latest occurrence, each of them, or none. */
  readonly missed: 'one' | 'all' | 'skip';
  readonly type: string;
  readonly subject?: string | undefined;
  /** A template of the data; see `scheduledEvent`. */
  readonly data?: unknown;
}

/** A run of a schedule's timer. */
export interface TimerRun {
  /** The cron by which the timer was registered, from `timerCronOf`. */
  readonly timerCron: string;
  /**
   * `scheduleStatus.next` of the timer, an ISO 8601 time: while a timer runs, it still shows the tick that it fired
   * for (Azure/azure-webjobs-sdk-extensions, `TimerListener.cs`). Undefined for timers without a monitor, those that
   * fire more often than once a minute.
   */
  readonly statusNext: string | undefined;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/** The occurrences for which a run of a timer is to publish an event. */
export interface DueOccurrences {
  /** Milliseconds since the epoch, oldest first. */
  readonly occurrencesMs: readonly number[];
  /** Since when occurrences were missed that are not among these; undefined when there are none. */
  readonly missedSinceMs: number | undefined;
}

/** A run this late has missed its time. */
const lateMsMax = 60_000;
/** The most occurrences that one run publishes. */
const occurrencesMax = 100;
/** A monitored timer fires at most once a minute; a run further ahead of its time was called by hand. */
const monitoredEarlyMsMax = 30_000;
/** Timers of the machine may fire a few milliseconds early. */
const earlyMsMax = 100;
const dayMs = 86_400_000;

/**
 * The cron by which the platform's timer fires. The platform knows one zone for all timers, UTC unless
 * WEBSITE_TIME_ZONE says otherwise, which must not be set. So the timer of a schedule in another zone fires at that
 * minute of every hour (or every minute, where offsets are not whole hours), and `dueOccurrences` sees whether the
 * hour is right.
 */
export function timerCronOf({ cron, timeZone }: Pick<Schedule, 'cron' | 'timeZone'>, nowMs: number): string {
  const offsets = offsetsOf(timeZone, nowMs);
  if (offsets.every((minutes) => minutes === 0)) return cron;
  const [second, minute] = cron.split(/\s+/);
  return `${second} ${offsets.every((minutes) => minutes % 60 === 0) ? minute : '*'} * * * *`;
}

/**
 * The occurrences for which a timer has fired: those since the tick before it. A run on time has one or, in another
 * zone than UTC, often none; a late one (the app was stopped, a run took long) follows the policy for missed runs.
 * A time of day without wildcard and step that the clocks skip comes with the first tick after it; one that they
 * repeat comes once. Called by hand, the present is the occurrence.
 */
export async function dueOccurrences(
  schedule: Schedule,
  { timerCron, statusNext, nowMs }: TimerRun,
): Promise<DueOccurrences> {
  const latestTick = await openCron(timerCron, 'Etc/UTC');
  const monitored = statusNext !== undefined;
  const tickMs = monitored ? Date.parse(statusNext) : latestTick(nowMs + earlyMsMax);
  const byHand = monitored ? tickMs - nowMs > monitoredEarlyMsMax : nowMs - tickMs > lateMsMax;
  if (byHand) return { occurrencesMs: [Math.floor(nowMs / 1000) * 1000], missedSinceMs: undefined };

  const late = nowMs - tickMs > lateMsMax;
  const limit = late ? { one: 1, all: occurrencesMax, skip: 0 }[schedule.missed] : occurrencesMax;
  const afterMs = latestTick(tickMs - 1);
  const latestOccurrence = await openCron(schedule.cron, schedule.timeZone);
  const latestFirst: number[] = [];
  let occurrenceMs = latestOccurrence(Math.max(nowMs, tickMs));
  while (occurrenceMs > afterMs && latestFirst.length < limit) {
    latestFirst.push(occurrenceMs);
    occurrenceMs = latestOccurrence(occurrenceMs - 1);
  }
  return {
    occurrencesMs: latestFirst.reverse(),
    missedSinceMs: occurrenceMs > afterMs ? tickMs : undefined,
  };
}

/**
 * The event of one occurrence of a schedule. Its id comes from name and time, so that a timer that fires twice for
 * one occurrence makes the same event twice. In the strings of its data, `{name}`, `{scheduledAt}` (ISO 8601) and
 * `{scheduledAtMs}` stand for what they say; `{scheduledAtMs}` alone becomes a number.
 *
 * @param occurrenceMs milliseconds since the epoch, a whole second.
 */
export function scheduledEvent(
  name: string,
  { type, subject, data }: Pick<Schedule, 'type' | 'subject' | 'data'>,
  occurrenceMs: number,
): CloudEvent {
  const scheduledAt = new Date(occurrenceMs).toISOString();
  return {
    specversion: '1.0',
    id: `${name}-${scheduledAt}`,
    source: `/schedules/${name}`,
    type,
    time: scheduledAt,
    datacontenttype: 'application/json',
    ...(subject !== undefined && { subject }),
    data:
      data === undefined
        ? { schedule: name, scheduledAt }
        : fill(data, { name, scheduledAt, scheduledAtMs: occurrenceMs }),
  };
}

/** Opens a cron for one question: its latest occurrence at or before a time; -Infinity when it has none. */
async function openCron(pattern: string, timezone: string): Promise<(timeMs: number) => number> {
  // Only an app with schedules pays for loading it.
  const { Cron } = await import('croner');
  const cron = new Cron(pattern, {
    mode: '6-part',
    timezone,
    domAndDow: true,
    // Whatever has no wildcard comes once on the days on which the clocks change.
    fixedTimeRule: 'no-wildcard',
    paused: true,
  });
  return (timeMs) => cron.previousRuns(1, new Date(timeMs + 1))[0]?.getTime() ?? Number.NEGATIVE_INFINITY;
}

/** The zone's offsets from UTC in minutes, over the two years to come. */
function offsetsOf(timeZone: string, nowMs: number): number[] {
  // What most schedules have need not be asked for.
  if (timeZone === 'Etc/UTC') return [0];
  const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' });
  // No zone keeps its summer time for less than four weeks.
  return Array.from({ length: 27 }, (_, index) => {
    const parts = format.formatToParts(nowMs + index * 28 * dayMs);
    const offset = parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
    const [, hours = 0, minutes = 0] = /GMT[+-](\d+):(\d+)/.exec(offset) ?? [];
    return Number(hours) * 60 + Number(minutes);
  });
}

function fill(template: unknown, values: Readonly<Record<string, string | number>>): unknown {
  if (typeof template === 'string') {
    if (template === '{scheduledAtMs}') return values.scheduledAtMs;
    return template.replace(/\{(name|scheduledAt|scheduledAtMs)\}/g, (_, key: string) => String(values[key]));
  }
  if (Array.isArray(template)) return template.map((item) => fill(item, values));
  if (typeof template !== 'object' || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([key, value]) => [key, fill(value, values)]));
}
