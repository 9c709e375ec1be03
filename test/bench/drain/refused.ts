import { SluiceError } from '../../../src/shared/error.ts';

/** An answer with another status than the only one that was to be expected. */
export function refused(url: string, expected: number, status: number): SluiceError {
  const message = `${url} was to answer ${expected}, but the answer was ${status}`;
  return new SluiceError({ code: 'bench.refused', message, retryable: false });
}
