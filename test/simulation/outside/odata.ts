/** What a row is asked for. */
export type RowTest = (row: Readonly<Record<string, unknown>>) => boolean;

const token =
  /\s*(?:(?<text>'(?:[^']|'')*')|(?<number>-?\d+(?:\.\d+)?)|(?<word>[A-Za-z_]\w*)|(?<sign>[()]))/y;

const comparisons: Readonly<Record<string, (one: Scalar, other: Scalar) => boolean>> = {
  eq: (one, other) => one === other,
  ne: (one, other) => one !== other,
  gt: (one, other) => one > other,
  ge: (one, other) => one >= other,
  lt: (one, other) => one < other,
  le: (one, other) => one <= other,
};

type Scalar = string | number | boolean;

const compiled = new Map<string, RowTest>();
const compiledMax = 10_000;

/**
 * Compiles a filter of Table Storage, as far as stores use them: comparisons of a property with a literal, `and`,
 * `or`, `not`, brackets. Text compares by UTF-16 code units, and what a row lacks fits nothing.
 *
 * @throws {SyntaxError} for anything else, which the service would refuse as well.
 */
export function compileODataFilter(filter: string): RowTest {
  const known = compiled.get(filter);
  if (known !== undefined) return known;
  const tokens = tokenize(filter);
  let at = 0;

  const peek = () => tokens[at];
  const take = (wanted?: string) => {
    const found = tokens[at];
    if (found === undefined || (wanted !== undefined && found !== wanted)) {
      throw new SyntaxError(`"${filter}": ${wanted ?? 'something'} is missing`);
    }
    at += 1;
    return found;
  };

  function either(): RowTest {
    let test = both();
    while (peek() === 'or') {
      take();
      const left = test;
      const right = both();
      test = (row) => left(row) || right(row);
    }
    return test;
  }
  function both(): RowTest {
    let test = one();
    while (peek() === 'and') {
      take();
      const left = test;
      const right = one();
      test = (row) => left(row) && right(row);
    }
    return test;
  }
  function one(): RowTest {
    if (peek() === '(') {
      take();
      const test = either();
      take(')');
      return test;
    }
    if (peek() === 'not') {
      take();
      const test = one();
      return (row) => !test(row);
    }
    const name = propertyOf(take());
    const compare = comparisons[take()];
    if (compare === undefined) throw new SyntaxError(`"${filter}": a comparison is missing`);
    const literal = literalOf(take());
    return (row) => {
      const value = row[name];
      return typeof value === typeof literal && compare(value as Scalar, literal);
    };
  }

  const test = either();
  if (at < tokens.length) throw new SyntaxError(`"${filter}" goes on after its end`);
  if (compiled.size >= compiledMax) compiled.clear();
  compiled.set(filter, test);
  return test;
}

/** The partition that a filter keeps to, if it names one and has no `or`. */
export function partitionOfFilter(filter: string): string | undefined {
  if (/\bor\b|\bnot\b/.test(filter.replaceAll(/'(?:[^']|'')*'/g, ''))) return undefined;
  const found = /PartitionKey eq ('(?:[^']|'')*')/.exec(filter)?.[1];
  return found === undefined ? undefined : String(literalOf(found));
}

/** The client knows the keys by other names than the service. */
export function propertyOf(name: string): string {
  return name === 'PartitionKey' ? 'partitionKey' : name === 'RowKey' ? 'rowKey' : name;
}

function tokenize(filter: string): string[] {
  const tokens: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < filter.trimEnd().length) {
    const found = token.exec(filter);
    if (found === null) throw new SyntaxError(`"${filter}" cannot be read`);
    tokens.push(found[0].trim());
  }
  return tokens;
}

function literalOf(text: string): Scalar {
  if (text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'");
  if (text === 'true' || text === 'false') return text === 'true';
  const number = Number(text);
  if (Number.isNaN(number)) throw new SyntaxError(`${text} is no literal`);
  return number;
}
