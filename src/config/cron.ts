import { z } from 'zod';

interface CronField {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** What may stand for the numbers from `min` on. */
  readonly names: readonly string[];
}

const cronFields: readonly CronField[] = [
  { name: 'second', min: 0, max: 59, names: [] },
  { name: 'minute', min: 0, max: 59, names: [] },
  { name: 'hour', min: 0, max: 23, names: [] },
  { name: 'day of the month', min: 1, max: 31, names: [] },
  {
    name: 'month',
    min: 1,
    max: 12,
    names: ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'],
  },
  { name: 'day of the week', min: 0, max: 6, names: ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] },
];

/** The number of days of each month, February's in a leap year. */
const monthDays = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** One element of a field's list: `*`, a value or a range; then perhaps a step. */
const element = /^(?:(?<all>\*)|(?<from>\d+|[a-z]{3})(?:-(?<to>\d+|[a-z]{3}))?)(?:\/(?<step>\d+))?$/i;

/** A field of the configuration that holds a cron expression as `cronProblems` reads it. */
export function cronField(description: string) {
  return z
    .string()
    .trim()
    .check((context) => {
      for (const message of cronProblems(context.value)) {
        context.issues.push({ code: 'custom', message, input: context.value });
      }
    })
    .describe(description);
}

/**
 * Why a text is no cron expression; nothing when it is one. Six fields, seconds first, in what NCRONTAB, which the
 * platform's timers read, and croner, which the bridge asks for occurrences, have in common. A day must match both
 * the day of the month and the day of the week.
 * learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
 */
export function cronProblems(text: string): string[] {
  const fields = text.trim().split(/\s+/);
  if (fields.length !== cronFields.length) {
    return [
      `must have six fields, seconds first, such as "0 */5 * * * *" (second minute hour day month day-of-week); this has ${fields.length}`,
    ];
  }
  const values = cronFields.map((field, index) =>
    (fields[index] ?? '').split(',').flatMap((part) => readElement(part, field)),
  );
  const problems = values.flat().filter((value) => typeof value === 'string');
  if (problems.length > 0) return problems;
  const firstDay = Math.min(...(values[3] ?? []).map(Number));
  const comes = values[4]?.some((month) => firstDay <= (monthDays[Number(month) - 1] ?? 0));
  return comes ? [] : [`never comes: none of its months has a day ${firstDay}`];
}

/** The numbers that an element of a list stands for, or one text: what is wrong with it. */
function readElement(text: string, field: CronField): (number | string)[] {
  const { name, min, max, names } = field;
  const parts = element.exec(text)?.groups;
  if (parts === undefined)
    return [
      `${name} "${text}" must be *, a value, a range such as 1-5, or a step such as */5; commas between several`,
    ];
  const step = Number(parts.step ?? 1);
  const first = parts.from === undefined ? min : numberOf(parts.from, field);
  const last = parts.to !== undefined ? numberOf(parts.to, field) : parts.from === undefined ? max : first;
  if (!(first >= min && last <= max)) {
    const named = names.length === 0 ? '' : `, or ${names[0]} to ${names.at(-1)}`;
    return [`${name} "${text}" must be within ${min} to ${max}${named}`];
  }
  if (first > last) return [`${name} "${text}" must go upwards; write two ranges with a comma between`];
  if (parts.all === undefined && parts.to === undefined && parts.step !== undefined)
    return [`${name} "${text}" must say where it ends: ${parts.from}-${max}/${parts.step}`];
  if (step < 1 || step > max - min + 1)
    return [`${name} "${text}" must have a step of 1 to ${max - min + 1}`];
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, index) => first + index * step);
}

/** NaN for a name that the field does not know. */
function numberOf(text: string, { min, names }: CronField): number {
  const index = names.indexOf(text.toUpperCase());
  return index >= 0 ? index + min : Number(text);
}
