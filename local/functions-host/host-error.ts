import { z } from 'zod';
import { describeError, SluiceError } from '../../src/shared/error.ts';

/** The host cannot start, or cannot do what it was asked; the message says what would be right. */
export class HostError extends SluiceError {
  constructor(message: string, cause?: unknown) {
    super({ code: 'functions-host', message, retryable: false, ...(cause === undefined ? {} : { cause }) });
  }
}

/** Does `work`, and puts before whatever it throws what it was done for: `function "orders"`. @throws {HostError} */
export function doFor<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const why = error instanceof HostError ? error.message : describeError(error);
    throw new HostError(`${what}: ${why}`, error);
  }
}

/** The options of a binding. @throws {HostError} saying everything in them that is wrong. */
export function readOptions<T>(schema: z.ZodType<T>, binding: unknown): T {
  const parsed = schema.safeParse(binding);
  if (!parsed.success) throw new HostError(`\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
