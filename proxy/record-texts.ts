/** The texts of a record's key and value as they were sent; `undefined` when absent. */
export interface RecordTexts {
  key?: string;
  value?: string;
}

/**
 * The source texts of `key` and `value` in `{"records":[{...}]}`, so that a number comes back digit for digit where
 * JSON.parse would round it. `text` must already have been parsed: this only finds, it does not check.
 */
export function findRecordTexts(text: string): RecordTexts[] {
  const cursor = createCursor(text);
  let found: RecordTexts[] = [];
  cursor.eachMember((member) => {
    if (member !== 'records') return cursor.skipValue();
    // As for JSON.parse, the last of several members of one name counts.
    found = [];
    return cursor.eachElement(() => {
      const record: RecordTexts = {};
      cursor.eachMember((name) => {
        const value = cursor.skipValue();
        if (name === 'key' || name === 'value') record[name] = value;
      });
      found.push(record);
    });
  });
  return found;
}

/** Callbacks must consume exactly one value. */
interface Cursor {
  /** Visits the members of the object at the cursor; skips a value that is not an object. */
  eachMember(onMember: (name: string) => void): void;
  /** Visits the elements of the array at the cursor; skips a value that is not an array. */
  eachElement(onElement: () => void): void;
  /** Moves past the value at the cursor and returns its text. */
  skipValue(): string;
}

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;

function createCursor(text: string): Cursor {
  let at = 0;

  const skipSpace = () => {
    while (text.charCodeAt(at) <= 0x20) at++;
  };
  const skipString = () => {
    for (;;) {
      at = text.indexOf('"', at + 1);
      let escapes = 0;
      while (text.charCodeAt(at - 1 - escapes) === backslash) escapes++;
      if (escapes % 2 === 0) break;
    }
    at++;
  };
  const skipScalar = () => {
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code <= 0x20 || code === comma || code === closeBrace || code === closeBracket) return;
    }
  };
  const skipNested = () => {
    let depth = 0;
    do {
      const code = text.charCodeAt(at);
      if (code === quote) {
        skipString();
        continue;
      }
      if (code === openBrace || code === openBracket) depth++;
      else if (code === closeBrace || code === closeBracket) depth--;
      at++;
    } while (depth > 0);
  };
  const skipValue = () => {
    skipSpace();
    const start = at;
    const code = text.charCodeAt(at);
    if (code === quote) skipString();
    else if (code === openBrace || code === openBracket) skipNested();
    else skipScalar();
    return text.slice(start, at);
  };
  const eachItem = (open: number, close: number, onItem: () => void) => {
    skipSpace();
    if (text.charCodeAt(at) !== open) return void skipValue();
    do {
      at++;
      skipSpace();
      if (text.charCodeAt(at) === close) break;
      onItem();
      skipSpace();
    } while (text.charCodeAt(at) === comma);
    at++;
  };

  return {
    skipValue,
    eachElement: (onElement) => eachItem(openBracket, closeBracket, onElement),
    eachMember: (onMember) =>
      eachItem(openBrace, closeBrace, () => {
        const name: string = JSON.parse(skipValue());
        skipSpace();
        at++;
        onMember(name);
      }),
  };
}
