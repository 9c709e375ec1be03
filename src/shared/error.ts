/**
 * The base of everything Sluice throws on purpose. `code` is stable and safe to show; `message` says what is
 * wrong and what would be right, and never holds a secret.
 */
export class SluiceError extends Error {
  readonly code: string;
  /** Whether the same call may succeed later without anyone changing anything. */
  readonly retryable: boolean;

  constructor(details: { code: string; message: string; retryable: boolean; cause?: unknown }) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = details.code;
    this.retryable = details.retryable;
  }
}

/** One line for a log or an answer, whatever was thrown. */
export function describeError(error: unknown): string {
  if (error instanceof SluiceError) return `${error.code}: ${error.message}`;
  if (error instanceof Error) return error.message === '' ? error.name : `${error.name}: ${error.message}`;
  return String(error);
}
