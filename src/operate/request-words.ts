import { z } from 'zod';

/** What a field must be, by zod's name of its type. */
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
 * What would be right, where zod by itself would tell what it expected. Only for what the schemas of requests can
 * find; undefined: zod's own words.
 */
export function requestWords(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? 'must be given'
        : `must be ${kinds[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be one of: ${issue.values.join(', ')}`;
    case 'too_small':
      return issue.origin === 'number' ? `must be at least ${issue.minimum}` : 'must not be empty';
    case 'too_big': {
      const units: Readonly<Record<string, string>> = { string: ' characters', array: ' items' };
      return `must be at most ${issue.maximum}${units[issue.origin] ?? ''}`;
    }
    case 'unrecognized_keys':
      return `takes no ${issue.keys.map((key) => `"${key}"`).join(', ')}${fieldsOf(issue.inst)}`;
    default:
      return undefined;
  }
}

function fieldsOf(schema: unknown): string {
  return schema instanceof z.ZodObject
    ? `; it takes: ${Object.keys(schema.shape).join(', ') || 'nothing'}`
    : '';
}
