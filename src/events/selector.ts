import { assert } from '../shared/assert.ts';
import { isRawNumber } from '../shared/json.ts';
import { attributeOf, type CloudEvent } from './cloud-event.ts';
import { parsePointer, valueAt } from './json-pointer.ts';

/**
 * Finds one value of an event, as text; undefined when the event lacks it. A selector is written as an attribute's
 * name, or as a JSON Pointer (RFC 6901) into `data`, which begins with a slash. Of `data` only scalars count: a
 * string as it is, a number as it was written, `true` and `false`.
 */
export type Selector = (event: CloudEvent) => string | undefined;

/** What a text must be to be a selector. */
export const selectorRule =
  'must be an attribute name (a-z, 0-9), or a JSON Pointer (RFC 6901) into data such as /order/id';

// CloudEvents, "Attribute Naming Conventions". `data` is no attribute.
const attributeName = /^(?!data$)[a-z0-9]+$/;

/** Whether `text` can be compiled. */
export function isSelector(text: string): boolean {
  return text.startsWith('/') ? parsePointer(text) !== undefined : attributeName.test(text);
}

/** @throws {AssertionError} when `text` is no selector; the configuration has made sure of it. */
export function compileSelector(text: string): Selector {
  assert(isSelector(text), `"${text}" ${selectorRule}`);
  const tokens = text.startsWith('/') ? parsePointer(text) : undefined;
  if (tokens === undefined) return (event) => attributeOf(event, text);
  return (event) => scalarText(valueAt(event.data, tokens));
}

function scalarText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return isRawNumber(value) ? value.rawJSON : undefined;
}
