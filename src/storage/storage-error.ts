import { SluiceError } from '../shared/error.ts';

/** Table Storage could not be reached, or refused. The message names the table and what the service said. */
export class StorageError extends SluiceError {
  constructor(table: string, cause: unknown) {
    const said = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no answer';
    super({
      code: 'storage.unavailable',
      message: `the table ${table} failed: ${said}`,
      retryable: true,
      cause,
    });
  }
}
