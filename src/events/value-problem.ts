/** What is wrong with a value of an event. */
export interface ValueProblem {
  /** An attribute's name, `data`, or a JSON Pointer into `data`, which begins with a slash. */
  readonly path: string;
  /** Reads on from the path: "must be integer". */
  readonly message: string;
}

const quotedCharsMax = 100;

/** A value as JSON, cut where it is too long to be shown. */
export function quote(value: unknown): string {
  return shorten(JSON.stringify(value) ?? String(value));
}

/** A text, cut where it is too long to be shown. */
export function shorten(text: string): string {
  return text.length <= quotedCharsMax ? text : `${text.slice(0, quotedCharsMax).toWellFormed()}…`;
}
