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
