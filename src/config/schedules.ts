import { z } from 'zod';
import { sixFieldCron } from './fields.ts';

/** An entry of `schedules`. */
export const scheduleSchema = z.strictObject({
  cron: z
    .string()
    .regex(sixFieldCron, 'must have six fields, seconds first, such as "0 */5 * * * *"')
    .describe('Six-field cron.'),
  type: z.string().min(1).default('schedule.fired').describe('The type of its events.'),
  subject: z.string().min(1).optional().describe('The subject of its events.'),
  data: z.json().optional().describe('The data of its events.'),
});
