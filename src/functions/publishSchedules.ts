import { app } from '@azure/functions';
import { publishSchedule, timerCrons } from '../composition/ingest.ts';

/** Registers one timer function, `publish-<name>`, for each configured schedule. */
export function publishSchedules(): void {
  for (const [name, cron] of timerCrons) {
    app.timer(`publish-${name}`, {
      schedule: cron,
      handler: (timer, context) => publishSchedule(name, timer, context),
    });
  }
}

publishSchedules();
