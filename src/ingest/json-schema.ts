import type { ErrorObject } from 'ajv/dist/2020.js';
import { shorten, type ValueProblem } from '../events/value-problem.ts';

/** What is wrong with the data of an event; undefined when nothing is. */
export type DataCheck = (data: unknown) => readonly ValueProblem[] | undefined;

/** So many problems are told of one event. */
const problemsMax = 10;
/** In larger data the search ends at the first problem: a list of a million wrong items has a million problems. */
const searchedCharsMax = 65_536;

/**
 * Compiles a JSON Schema (draft 2020-12) for the data of events. A number that a double cannot hold is checked as
 * the nearest double. `format` is an annotation and checks nothing, as the draft says; references to other
 * documents are not followed; a keyword that the draft does not have is a mistake.
 *
 * A schema is the operator's own: a `pattern` that backtracks without end, or `uniqueItems` without `maxItems`,
 * costs time that nothing here limits but the size of the event.
 *
 * @throws when the schema does not compile.
 */
export async function compileSchema(schema: Readonly<Record<string, unknown>>): Promise<DataCheck> {
  const { Ajv2020 } = await import('ajv/dist/2020.js');
  const compile = (allErrors: boolean) =>
    new Ajv2020({
      allErrors,
      validateFormats: false,
      logger: false,
    }).compile(schema);
  const quick = compile(false);
  const thorough = compile(true);

  return (data) => {
    if (data === undefined) return [{ path: 'data', message: 'is missing, but must fit a JSON Schema' }];
    const text = JSON.stringify(data);
    const plain: unknown = JSON.parse(text);
    if (quick(plain)) return undefined;
    // A validator leaves on itself what it found wrong.
    const searched = text.length <= searchedCharsMax && !thorough(plain) ? thorough : quick;
    return (searched.errors ?? []).slice(0, problemsMax).map(toProblem);
  };
}

function toProblem({ instancePath, message = 'does not fit', params }: ErrorObject): ValueProblem {
  const named: unknown =
    params.additionalProperty ?? params.unevaluatedProperty ?? params.allowedValues ?? params.allowedValue;
  const detail = named === undefined ? '' : `: ${JSON.stringify(named)}`;
  return { path: instancePath === '' ? 'data' : shorten(instancePath), message: shorten(message + detail) };
}
