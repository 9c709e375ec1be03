import { app, type InvocationContext, type Timer } from '@azure/functions';
import { accept, config, now } from '../composition.ts';
import { assertProduced } from '../ingest/accept.ts';
import { occurrenceOf, scheduledEvent } from '../ingest/schedule.ts';

/** Registers one timer function, `publish-<name>`, for each configured schedule. */
export function publishSchedules(): void {
  for (const [name, schedule] of Object.entries(config.schedules)) {
    app.timer(`publish-${name}`, {
      schedule: schedule.cron,
      handler: async (timer: Timer, context: InvocationContext) => {
        const occurrenceMs = occurrenceOf(timer.scheduleStatus?.next, now());
        assertProduced(await accept([scheduledEvent(name, schedule, occurrenceMs)], context));
      },
    });
  }
}

publishSchedules();
