import type { Expression } from 'jsonata';
import { parseJson } from '../shared/json.ts';
import type { CloudEvent } from './cloud-event.ts';

/** What became of an event: changed, of no interest, or why it could not be changed. */
export type Transformed =
  | { readonly kind: 'event'; readonly event: CloudEvent }
  | { readonly kind: 'filtered' }
  | { readonly kind: 'failed'; readonly message: string };

/** Changes an event. It does not throw. */
export type Transform = (event: CloudEvent) => Promise<Transformed>;

/**
 * The bounds of one evaluation. Steps are counted rather than time measured, so that the same event always ends the
 * same way, however busy the machine; 100,000 steps take about 300 ms.
 */
export const transformLimits = {
  stepsMax: 100_000,
  stackMax: 1_000,
  sequenceItemsMax: 100_000,
  resultBytesMax: 1_048_576,
} as const;

// JSONata calls what is bound to this before it evaluates a node (docs.jsonata.org, "Embedding and extending").
const entryHook = Symbol.for('jsonata.__evaluate_entry') as unknown as string;

/**
 * Compiles a JSONata expression. It sees the whole event, and its result becomes the event's `data`; nothing (as
 * JSONata says: undefined) means that the event is not wanted. The new data are JSON and need not fit the old
 * `dataschema`, so `datacontenttype` becomes `application/json` and `dataschema` goes.
 *
 * A number that a double cannot hold passes through untouched; to an expression it is an object, so calculating
 * with it fails rather than rounds, and `$string` gives its digits. Regular expressions are the operator's own: one
 * that backtracks without end is stopped by no limit here.
 *
 * @throws {SyntaxError} when the expression does not compile.
 */
export async function compileTransform(source: string): Promise<Transform> {
  const { default: jsonata } = await import('jsonata');
  const { stackMax, sequenceItemsMax } = transformLimits;
  let expression: Expression;
  try {
    expression = jsonata(source, { stack: stackMax, sequence: sequenceItemsMax });
  } catch (error) {
    throw new SyntaxError(messageOf(error), { cause: error });
  }
  limitSteps(expression);
  // Its own $clone, which the operator ~> |...| uses, would round numbers.
  expression.registerFunction('clone', (value: unknown) => parseJson(JSON.stringify(value)), '<(oa)-:o>');

  return async (event) => {
    try {
      const result: unknown = await expression.evaluate(event);
      return result === undefined ? { kind: 'filtered' } : { kind: 'event', event: withData(event, result) };
    } catch (error) {
      return { kind: 'failed', message: `could not be transformed: ${messageOf(error)}` };
    }
  };
}

function limitSteps(expression: Expression): void {
  const { stepsMax } = transformLimits;
  const steps = new WeakMap<object, number>();
  expression.assign(entryHook, (_node: unknown, _input: unknown, environment: { base: object }) => {
    const taken = (steps.get(environment.base) ?? 0) + 1;
    if (taken > stepsMax) throw new RangeError(`more than ${stepsMax} steps`);
    steps.set(environment.base, taken);
  });
}

function withData(event: CloudEvent, result: unknown): CloudEvent {
  const text = JSON.stringify(result, refuseOtherThanJson);
  const bytes = Buffer.byteLength(text);
  const { resultBytesMax } = transformLimits;
  if (bytes > resultBytesMax)
    throw new RangeError(`the result has ${bytes} bytes; at most ${resultBytesMax} may be`);
  const { data: _, data_base64: __, dataschema: ___, ...attributes } = event;
  return { ...attributes, datacontenttype: 'application/json', data: parseJson(text) } as CloudEvent;
}

/** `JSON.stringify` would write null for a number that is not finite, and anything for a function. */
function refuseOtherThanJson(_name: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError(`the result holds ${value}`);
  const isFunction =
    typeof value === 'function' ||
    (typeof value === 'object' &&
      value !== null &&
      ('_jsonata_function' in value || '_jsonata_lambda' in value));
  if (isFunction) throw new TypeError('the result holds a function');
  return value;
}

/** JSONata throws objects that are no errors, but have a message. */
function messageOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('message' in error)) return String(error);
  const where = 'position' in error ? ` (at character ${error.position})` : '';
  return `${error.message}${where}`;
}
