import { parseJson } from '../shared/json.ts';

/** A JSON document, or why the bytes are none that is taken. */
export type JsonBody =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly kind: 'malformed-body' | 'too-deep'; readonly detail: string };

/**
 * Reads a JSON document from untrusted bytes: UTF-8 (RFC 8259, section 8.1), numbers unchanged, and at most
 * `depthMax` arrays and objects inside one another. Depth is counted before parsing, because what walks a value
 * later (a reviver, `JSON.stringify`) does so by recursion.
 */
export function readJsonBody(bytes: Uint8Array, depthMax: number): JsonBody {
  if (isDeeperThan(bytes, depthMax)) {
    const detail = `arrays and objects stand more than ${depthMax} deep inside one another`;
    return { ok: false, kind: 'too-deep', detail };
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) return { ok: false, kind: 'malformed-body', detail: 'the body is not UTF-8' };
  try {
    // RFC 8259 lets a parser ignore a byte order mark, and some senders cannot help writing one.
    return { ok: true, value: parseJson(text.startsWith('\u{feff}') ? text.slice(1) : text) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ok: false, kind: 'malformed-body', detail: `the body is not JSON: ${reason}` };
  }
}

/** The text of UTF-8 bytes, all of it; undefined when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const quote = 0x22;
const backslash = 0x5c;
/** `[` and `{` differ in this bit only, and so do `]` and `}`. */
const braceBit = 0x20;
const openingBrace = 0x7b;
const closingBrace = 0x7d;

/** Counts brackets outside strings; no byte of a longer UTF-8 sequence looks like one of them. */
function isDeeperThan(bytes: Uint8Array, depthMax: number): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] ?? 0;
    if (inString) {
      if (byte === backslash) index += 1;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if ((byte | braceBit) === openingBrace) {
      depth += 1;
      if (depth > depthMax) return true;
    } else if ((byte | braceBit) === closingBrace) depth -= 1;
  }
  return false;
}
