import { assert } from '../shared/assert.ts';
import type { CloudEvent } from './cloud-event.ts';
import { compileSelector, isSelector, selectorRule } from './selector.ts';
import { quote, type ValueProblem } from './value-problem.ts';

/** Writes the values of an event into a template; or says which of them it cannot. */
export type Render = (event: CloudEvent) => string | ValueProblem;

const placeholder = /\{([^{}]*)\}/;

/**
 * The texts of a template and the selectors between them: `orders.{type}` or `/hooks/{/customer/region}`, in which a
 * {@link Selector} in braces stands for a value of the event. There is one text more than selectors.
 */
export function splitTemplate(text: string): {
  readonly literals: readonly string[];
  readonly selectors: readonly string[];
} {
  const pieces = text.split(placeholder);
  return {
    literals: pieces.filter((_, index) => index % 2 === 0),
    selectors: pieces.filter((_, index) => index % 2 === 1),
  };
}

/** Why `text` is no template; undefined when it is one, with values of the event in it or without. */
export function templateProblem(text: string): string | undefined {
  const { literals, selectors } = splitTemplate(text);
  const wrong = selectors.find((selector) => !isSelector(selector));
  if (wrong !== undefined) return `{${wrong}} ${selectorRule}`;
  const stray = literals.some((literal) => /[{}]/.test(literal));
  return stray ? 'holds a brace that belongs to no {selector}' : undefined;
}

/**
 * Makes the renderer of a template. A value that is missing is a problem, and so is one that may not stand there.
 *
 * @throws {AssertionError} when `text` is no template; the configuration has made sure of it.
 */
export function compileTemplate(
  text: string,
  options: {
    /** What is made, as it is named in a problem: `the topic orders.{type}`. */
    readonly what: string;
    /** Writes a value as it may stand in the text; undefined when it may not. */
    write(value: string): string | undefined;
    /** What a value must be, as it is named in a problem. */
    readonly rule: string;
  },
): Render {
  const problem = templateProblem(text);
  assert(problem === undefined, `"${text}" ${problem}`);
  const { write, what, rule } = options;
  const { literals, selectors } = splitTemplate(text);
  const [first = '', ...others] = literals;
  const parts = selectors.map((path, index) => ({
    path,
    select: compileSelector(path),
    after: others[index] ?? '',
  }));
  return (event) => {
    let rendered = first;
    for (const { path, select, after } of parts) {
      const value = select(event);
      if (value === undefined) return { path, message: `is missing, but ${what} needs it` };
      const written = write(value);
      if (written === undefined) return { path, message: `${rule} to stand in ${what}, not ${quote(value)}` };
      rendered += written + after;
    }
    return rendered;
  };
}
