import type { RecordError } from './faults.ts';

/** One call of an operation. */
export interface Call {
  /** The path's parameters, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** What follows `?` in the request target. */
  readonly query: string;
  readonly body: Buffer;
  /** An injected fault for single records; only produce heeds it. */
  readonly recordError: RecordError | undefined;
}

/** An answer in JSON. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

/** Carries out a call, or throws RestError to refuse it. */
export type Operation = (call: Call) => Answer;

/** A parameter that the path of the operation has. */
export function param(call: Call, name: string): string {
  return call.params[name] ?? '';
}
