import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { readJsonFile } from './json-file.ts';
import type { TimerSchedule } from './timer-schedule.ts';

/** Where a timer stands, in milliseconds since the epoch; undefined for a time that never was. */
export interface TimerStatus {
  readonly lastMs: number | undefined;
  readonly nextMs: number;
  readonly lastUpdatedMs: number | undefined;
}

/** .NET's `default(DateTime)`, by which the host says "never". */
const never = '0001-01-01T00:00:00+00:00';

const time = z.string().refine((text) => !Number.isNaN(Date.parse(text)), 'must be an ISO 8601 time');
const statusFile = z.object({ Last: time, Next: time, LastUpdated: time });

/** A timer's status as the host writes it, in its file and to the function. */
export function formatStatus(status: TimerStatus): z.infer<typeof statusFile> {
  return {
    Last: format(status.lastMs),
    Next: format(status.nextMs),
    LastUpdated: format(status.lastUpdatedMs),
  };
}

/** The status a timer begins with when nothing has been stored of it. */
export function firstStatus(schedule: TimerSchedule, nowMs: number): TimerStatus {
  return { lastMs: undefined, nextMs: schedule.next(nowMs), lastUpdatedMs: nowMs };
}

/**
 * Brings a stored status up to date with a schedule that may have been changed since. A changed schedule is never
 * past due. Azure/azure-webjobs-sdk-extensions, `ScheduleMonitor.CheckPastDueAsync`.
 */
export function reviseStatus(stored: TimerStatus, schedule: TimerSchedule, nowMs: number): TimerStatus {
  const since = stored.lastMs ?? stored.lastUpdatedMs ?? nowMs;
  const expected = schedule.next(since);
  if (expected === stored.nextMs) return stored;
  return nowMs > expected
    ? firstStatus(schedule, nowMs)
    : { lastMs: undefined, nextMs: expected, lastUpdatedMs: since };
}

/** The status stored at `path`, or undefined when there is none. @throws {HostError} when it cannot be read. */
export function readStatus(path: string): TimerStatus | undefined {
  if (!existsSync(path)) return undefined;
  const { Last, Next, LastUpdated } = readJsonFile(path, statusFile);
  return { lastMs: parse(Last), nextMs: Date.parse(Next), lastUpdatedMs: parse(LastUpdated) };
}

/** Stores a status; a crash leaves the old one or the new one, never half of one. */
export function writeStatus(path: string, status: TimerStatus): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, JSON.stringify(formatStatus(status)));
  renameSync(`${path}.new`, path);
}

function format(timeMs: number | undefined): string {
  return timeMs === undefined ? never : new Date(timeMs).toISOString().replace('Z', '+00:00');
}

function parse(text: string): number | undefined {
  return text === never ? undefined : Date.parse(text);
}
