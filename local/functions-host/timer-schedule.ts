import { Cron } from 'croner';
import { describeError } from '../../src/shared/error.ts';
import { HostError } from './host-error.ts';
import { isTimeSpan, parseTimeSpan } from './time-span.ts';

/** When a timer fires. */
export interface TimerSchedule {
  /** Whether it follows the clock on the wall; a fixed interval does not. */
  readonly adjustForDst: boolean;
  /** The first time after `timeMs`, both in milliseconds since the epoch. */
  next(timeMs: number): number;
}

// NCrontab's fields know *, numbers, names, lists, ranges and steps, but none of Quartz's L, W, # and ?.
const ncrontab = /^(?:(?:\*|\d+|[a-z]{3,9})(?:-(?:\d+|[a-z]{3,9}))?(?:\/\d+)?(?:,(?!\s|$)|\s+|$)){6,}$/i;

/**
 * Reads a timer's schedule: an NCRONTAB expression of six fields, seconds first, in `timeZone`; or a time span.
 * learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
 *
 * @throws {HostError} when it is neither.
 */
export function parseSchedule(expression: string, timeZone: string): TimerSchedule {
  if (isTimeSpan(expression)) {
    const intervalMs = parseTimeSpan(expression);
    if (intervalMs === 0) throw new HostError(`schedule "${expression}" must be longer than zero`);
    return { adjustForDst: false, next: (timeMs) => timeMs + intervalMs };
  }
  if (!ncrontab.test(expression.trim())) throw wrong(expression);
  try {
    // NCrontab fires when the day of the month and the day of the week both match; plain cron when one does.
    const cron = new Cron(expression, { mode: '6-part', domAndDow: true, timezone: timeZone, paused: true });
    return { adjustForDst: true, next: (timeMs) => nextOf(cron, timeMs, expression) };
  } catch (error) {
    throw wrong(expression, error);
  }
}

function nextOf(cron: Cron, timeMs: number, expression: string): number {
  const next = cron.nextRun(new Date(timeMs));
  if (!next) throw new HostError(`schedule "${expression}" never fires`);
  return next.getTime();
}

function wrong(expression: string, cause?: unknown): HostError {
  const why = cause === undefined ? '' : ` (${describeError(cause)})`;
  return new HostError(
    `schedule "${expression}" is neither six fields "second minute hour day month day-of-week" nor hh:mm:ss${why}`,
    cause,
  );
}
