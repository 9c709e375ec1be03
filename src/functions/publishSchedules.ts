import { app } from '@azure/functions';
import { bridge, invocationOf } from '../composition/app.ts';

/** Registers one timer function, `publish-<name>`, for each configured schedule. */
export function publishSchedules(): void {
  for (const [name, cron] of bridge.ingest.timerCrons) {
    app.timer(`publish-${name}`, {
      schedule: cron,
      handler: ({ scheduleStatus }, context) =>
        bridge.ingest.publishSchedule(name, scheduleStatus?.next, invocationOf(context)),
    });
  }
}

publishSchedules();
