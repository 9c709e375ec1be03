import { z } from 'zod';
import { cronField } from './cron.ts';

/** An entry of `schedules`. */
export const scheduleSchema = z.strictObject({
  cron: cronField(
    'When: second minute hour day month day-of-week, in timeZone; a day must match both its fields. Example: 0 30 6 * * MON-FRI',
  ),
  timeZone: z
    .string()
    .refine(isTimeZone, 'must be an IANA time zone, such as Europe/Berlin')
    .default('Etc/UTC')
    .describe(
      'The IANA time zone of cron. A time of day without wildcard and step comes once even where the clocks skip or repeat it. WEBSITE_TIME_ZONE must not be set.',
    ),
  missed: z
    .enum(['one', 'all', 'skip'])
    .default('one')
    .describe(
      'What a run more than a minute late makes up for: the latest occurrence (one), each, oldest first, up to 100 (all), or none (skip). Schedules more frequent than once a minute make up for nothing: the platform does not keep when they ran.',
    ),
  type: z.string().min(1).default('schedule.fired').describe('The type of its events.'),
  subject: z.string().min(1).optional().describe('The subject of its events.'),
  data: z
    .json()
    .optional()
    .describe(
      'The data of its events. In its strings {scheduledAt} becomes the time of the occurrence (ISO 8601, UTC), {scheduledAtMs} its milliseconds since 1970 (a number when it is the whole string), {name} the name of the schedule. Default: schedule and scheduledAt.',
    ),
});

function isTimeZone(name: string): boolean {
  // Intl takes offsets such as +01:00, too; those are no zones.
  if (!/^[a-z]/i.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
