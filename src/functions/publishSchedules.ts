import { app } from '@azure/functions';
import { config, publishSchedule } from '../composition.ts';

/** Registers one timer function, `publish-<name>`, for each configured schedule. */
export function publishSchedules(): void {
  for (const [name, { cron }] of Object.entries(config.schedules)) {
    app.timer(`publish-${name}`, {
      schedule: cron,
      handler: (timer, context) => publishSchedule(name, timer, context),
    });
  }
}

publishSchedules();
