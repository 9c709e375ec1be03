import { z } from 'zod';

/** What a value must be, by zod's name of its type. */
const kinds: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a JSON object',
  record: 'a JSON object',
};

/**
 * What would be right, for whoever wrote a JSON text that does not fit its schema; undefined: zod's own words. To be
 * given to `safeParse` as `error`; what a schema says itself comes first.
 */
export function schemaWords(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? 'must be given'
        : `must be ${kinds[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return oneOf(issue.values);
    case 'invalid_union':
      return Array.isArray(issue.options) ? oneOf(issue.options) : undefined;
    case 'too_small':
      return tooSmall(issue);
    case 'too_big':
      return `must be at most ${issue.maximum}${unitOf(issue.origin)}`;
    case 'unrecognized_keys':
      return `takes no ${issue.keys.map((key) => `"${key}"`).join(', ')}${fieldsOf(issue.inst)}`;
    default:
      return undefined;
  }
}

function oneOf(values: readonly unknown[]): string {
  return values.length === 1 ? `must be ${values[0]}` : `must be one of: ${values.join(', ')}`;
}

function tooSmall({ minimum, inclusive, origin }: z.core.$ZodRawIssue<z.core.$ZodIssueTooSmall>): string {
  if (inclusive === false) return `must be more than ${minimum}`;
  const unit = unitOf(origin);
  return unit !== '' && minimum === 1 ? 'must not be empty' : `must be at least ${minimum}${unit}`;
}

function unitOf(origin: string): string {
  const units: Readonly<Record<string, string>> = { string: ' characters', array: ' items' };
  return units[origin] ?? '';
}

function fieldsOf(schema: unknown): string {
  return schema instanceof z.ZodObject
    ? `; it takes: ${Object.keys(schema.shape).join(', ') || 'nothing'}`
    : '';
}
