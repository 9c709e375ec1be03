import { SluiceError } from '../../src/shared/error.ts';

/** The host cannot start, or cannot do what it was asked; the message says what would be right. */
export class HostError extends SluiceError {
  constructor(message: string, cause?: unknown) {
    super({ code: 'functions-host', message, retryable: false, ...(cause === undefined ? {} : { cause }) });
  }
}
