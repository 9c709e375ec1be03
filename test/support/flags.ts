import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { SluiceError } from '../../src/shared/error.ts';

/** A command line that cannot be followed; `message` says what would be right. */
export function wrongFlags(message: string): SluiceError {
  return new SluiceError({ code: 'flags.wrong', message: `${message}; see --help`, retryable: false });
}

/** Reads flags and what stands beside them. @throws {SluiceError} `flags.wrong` for a flag that is not known. */
export function parseFlags<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    // What follows the first sentence speaks of arguments that begin with a dash.
    const [sentence = ''] = (error instanceof Error ? error.message : String(error)).split('. ');
    throw wrongFlags(sentence);
  }
}

/** The integer that a flag gives. @throws {SluiceError} `flags.wrong` when it is none from `min` to `max`. */
export function integerOf(flag: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : -1;
  if (value >= min && value <= max) return value;
  throw wrongFlags(`${flag} must be an integer from ${min} to ${max}, not "${text}"`);
}
