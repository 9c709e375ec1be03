/**
 * Asserts what the programmer must guarantee. A failure is a defect in Sluice, never bad input: it stops the
 * invocation before wrong state can be written.
 *
 * @throws {AssertionError} when `condition` is false.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** A programmer has not kept what was promised: a defect, never bad input. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}
