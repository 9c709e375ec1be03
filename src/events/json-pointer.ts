import { isRawNumber } from '../shared/json.ts';

const syntax = /^(?:\/(?:[^~/]|~[01])*)*$/;
// RFC 6901, section 4: digits without a leading zero. "-" names the element after the last, which never exists.
const arrayIndex = /^(?:0|[1-9]\d*)$/;

/** The reference tokens of a JSON Pointer, unescaped (RFC 6901); undefined when `text` is not one. */
export function parsePointer(text: string): readonly string[] | undefined {
  if (!syntax.test(text)) return undefined;
  // "~01" stands for "~1", so "~1" has to be replaced first (section 4).
  return text
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/**
 * The value that reference tokens lead to; undefined when there is none. Only what the JSON text holds is found:
 * nothing inherited, no length of an array, no inside of a number.
 */
export function valueAt(document: unknown, tokens: readonly string[]): unknown {
  let value = document;
  for (const token of tokens) {
    if (typeof value !== 'object' || value === null || isRawNumber(value)) return undefined;
    const found = Array.isArray(value) ? arrayIndex.test(token) : Object.hasOwn(value, token);
    if (!found) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[token];
  }
  return value;
}
