import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../../src/shared/clock.ts';
import { describeError } from '../../src/shared/error.ts';
import { doFor, readOptions } from './host-error.ts';
import { calledByApi, type Invocation } from './invoke.ts';
import type { AppFunction } from './load-app.ts';
import { resolveAppSettings } from './settings.ts';
import { parseSchedule, type TimerSchedule } from './timer-schedule.ts';
import {
  firstStatus,
  formatStatus,
  readStatus,
  reviseStatus,
  type TimerStatus,
  writeStatus,
} from './timer-status.ts';
import type { TriggerFactory, TriggerParts } from './trigger.ts';

interface Timer {
  readonly fn: AppFunction;
  readonly schedule: TimerSchedule;
  /** Where the status is kept; undefined for a timer that is not monitored. */
  readonly statusPath: string | undefined;
  readonly runOnStartup: boolean;
}

const optionsSchema = z.looseObject({
  schedule: z.string(),
  runOnStartup: z.boolean().default(false),
  useMonitor: z.boolean().default(true),
});

const monitoredIntervalMinMs = 60_000;
// Timers of the machine overflow beyond 2^31 ms; the host, too, waits 24 days at a time.
const sleepMaxMs = 24 * 24 * 3_600_000;

/**
 * Functions that a schedule starts, one run at a time each. Occurrences missed while a run went on become one run
 * right after it; occurrences missed while the host was down become one run at its start, with `isPastDue`.
 * Azure/azure-webjobs-sdk-extensions, `TimerListener.cs`.
 */
export const timerTrigger: TriggerFactory = (parts) => {
  const timers = new Map<AppFunction, Timer>();
  const stopping = new AbortController();
  return {
    add: (fn) => timers.set(fn, toTimer(fn, parts)),
    describe: () => 'timerTrigger',
    manual: (fn) => {
      const timer = toTimer(fn, parts);
      const stored = timer.statusPath === undefined ? undefined : readStatus(timer.statusPath);
      return toInvocation(timer, stored, { reason: calledByApi, isPastDue: false });
    },
    start: () => {
      for (const timer of timers.values()) void runTimer(timer, parts, stopping.signal);
    },
    stop: async () => stopping.abort(),
  };
};

function toTimer(fn: AppFunction, { clock, env, stateDir }: TriggerParts): Timer {
  return doFor(`function "${fn.name}"`, () => {
    const options = readOptions(optionsSchema, fn.trigger);
    const schedule = parseSchedule(resolveAppSettings(options.schedule, env), env.WEBSITE_TIME_ZONE || 'UTC');
    const first = schedule.next(clock.now());
    const monitored = options.useMonitor && schedule.next(first) - first >= monitoredIntervalMinMs;
    const statusPath = monitored ? join(stateDir, 'timers', `${fn.name}.json`) : undefined;
    return { fn, schedule, statusPath, runOnStartup: options.runOnStartup };
  });
}

async function runTimer(timer: Timer, parts: TriggerParts, signal: AbortSignal): Promise<void> {
  const { clock, log } = parts;
  const { schedule, statusPath } = timer;
  let status = openStatus(timer, parts);

  const fire = async (isPastDue: boolean) => {
    const firedMs = clock.now();
    const reason = `Timer fired at ${new Date(firedMs).toISOString().replace('Z', '+00:00')}`;
    const shown = statusPath === undefined ? undefined : status;
    await parts.invoke(timer.fn, toInvocation(timer, shown, { reason, isPastDue }));
    status = { lastMs: firedMs, nextMs: schedule.next(firedMs), lastUpdatedMs: firedMs };
    if (statusPath !== undefined) writeStatus(statusPath, status);
  };

  try {
    const isPastDue = clock.now() > status.nextMs;
    if (isPastDue || timer.runOnStartup) await fire(isPastDue);
    while (await sleepUntil(clock, status.nextMs, signal)) await fire(false);
  } catch (error) {
    log.write(
      'Host.Triggers.Timer',
      'error',
      `Timer of function '${timer.fn.name}' has stopped: ${describeError(error)}`,
    );
  }
}

function openStatus({ fn, schedule, statusPath }: Timer, { clock, log }: TriggerParts): TimerStatus {
  const nowMs = clock.now();
  if (statusPath === undefined) return firstStatus(schedule, nowMs);
  let stored: TimerStatus | undefined;
  try {
    stored = readStatus(statusPath);
  } catch (error) {
    log.write(
      'Host.Triggers.Timer',
      'warning',
      `Function '${fn.name}' begins its schedule anew: ${describeError(error)}`,
    );
  }
  const status = stored ? reviseStatus(stored, schedule, nowMs) : firstStatus(schedule, nowMs);
  if (status !== stored) writeStatus(statusPath, status);
  return status;
}

/** False when `signal` ended the wait. */
async function sleepUntil(clock: Clock, timeMs: number, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted && clock.now() < timeMs) {
    await clock.sleep(Math.min(timeMs - clock.now(), sleepMaxMs), signal).catch(() => undefined);
  }
  return !signal.aborted;
}

function toInvocation(
  { schedule }: Timer,
  status: TimerStatus | undefined,
  { reason, isPastDue }: { reason: string; isPastDue: boolean },
): Invocation {
  const timerInfo = {
    Schedule: { AdjustForDST: schedule.adjustForDst },
    ScheduleStatus: status ? formatStatus(status) : null,
    IsPastDue: isPastDue,
  };
  return { data: { json: JSON.stringify(timerInfo) }, reason };
}
