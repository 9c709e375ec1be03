/** A number literal that a double cannot hold, kept as its text (`JSON.rawJSON`, V8's proposal-json-parse-with-source). */
export interface RawNumber {
  readonly rawJSON: string;
}

interface JsonWithSource {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
}

// TypeScript's library does not declare these yet; Node has had them since version 21.
const json = JSON as unknown as JsonWithSource;

/** Sees long literals and exponents where a number can stand; a string that looks so only costs time. */
const mayLosePrecision = /(?:^|[\s:,[])-?\d(?:[\d.]{15}|[\d.]*[eE])/;
const significantDigitsMax = 15;

/**
 * Parses JSON without changing any number in it: a literal that a double cannot hold exactly (an int64 beyond
 * 2^53, a long decimal, 1e400) becomes a {@link RawNumber}, which `JSON.stringify` writes back as it was.
 *
 * @throws {SyntaxError} when `text` is not JSON.
 */
export function parseJson(text: string): unknown {
  if (!mayLosePrecision.test(text)) return JSON.parse(text);
  return json.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && !survives(value, source)
      ? json.rawJSON(source)
      : value,
  );
}

function survives(value: number, source: string): boolean {
  if (Number.isSafeInteger(value) && /^-?\d+$/.test(source)) return true;
  const [mantissa = ''] = source.split(/[eE]/);
  const digits = mantissa.replace(/[-.]/g, '').replace(/^0+/, '');
  return Number.isFinite(value) && digits.length <= significantDigitsMax && !(value === 0 && digits !== '');
}

/** True for a number literal that {@link parseJson} kept as text. */
export function isRawNumber(value: unknown): value is RawNumber {
  return json.isRawJSON(value);
}

/** A value that `JSON.stringify` writes as the integer `value`, however large. */
export function rawInteger(value: bigint): RawNumber {
  return json.rawJSON(value.toString());
}

/** Whether more than `depthMax` arrays and objects stand inside one another in a value of JSON, itself counted. */
export function isNestedDeeperThan(value: unknown, depthMax: number): boolean {
  let level = [value].filter(isNesting);
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > depthMax) return true;
    level = level.flatMap((outer) => Object.values(outer).filter(isNesting));
  }
  return false;
}

/** As `JSON.stringify` without options, for a value of JSON nested so deeply that its recursion would overflow the stack. */
export function stringifyDeepJson(value: unknown): string {
  const written: string[] = [];
  const left: ({ readonly text: string } | { readonly value: unknown })[] = [{ value }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if ('text' in next) written.push(next.text);
    else if (!isNesting(next.value)) written.push(JSON.stringify(next.value));
    else {
      const isArray = Array.isArray(next.value);
      const members = Object.entries(next.value).map(([name, member], index) => ({
        before: `${index > 0 ? ',' : ''}${isArray ? '' : `${JSON.stringify(name)}:`}`,
        member,
      }));
      written.push(isArray ? '[' : '{');
      left.push({ text: isArray ? ']' : '}' });
      for (const { before, member } of members.reverse()) left.push({ value: member }, { text: before });
    }
  }
  return written.join('');
}

function isNesting(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !isRawNumber(value);
}

/**
 * The value of a text; undefined for what is no JSON, and for what is nested too deeply to be read.
 *
 * @param parse `JSON.parse` where numbers that a double cannot hold do not matter: it costs less.
 */
export function jsonOrUndefined(text: string, parse: (text: string) => unknown = parseJson): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}
