import { SluiceError } from '../shared/error.ts';

/** Table Storage could not be reached, or refused. The message names the table and what the service said. */
export class StorageError extends SluiceError {
  constructor(table: string, cause: unknown) {
    const said =
      cause instanceof Error && 'code' in cause && cause.code !== undefined
        ? String(cause.code)
        : 'no answer';
    super({
      code: 'storage.unavailable',
      message: `the table ${table} failed: ${said}`,
      retryable: true,
      cause,
    });
  }
}

/** An entity is not what Sluice writes. Somebody else has changed it, and nobody can go on from it. */
export class UnreadableEntityError extends SluiceError {
  constructor(table: string, row: { partitionKey?: string; rowKey?: string }, cause: unknown) {
    const message = `the entity ${row.partitionKey} / ${row.rowKey} of the table ${table} cannot be read; mend or delete it`;
    super({ code: 'storage.unreadable', message, retryable: false, cause });
  }
}

/** Others changed a row every time before this run could; it is tried again later. */
export class ContendedRowError extends SluiceError {
  constructor(table: string, row: { readonly partitionKey: string; readonly rowKey: string }) {
    const message = `the entity ${row.partitionKey} / ${row.rowKey} of the table ${table} is changed by others all the time`;
    super({ code: 'storage.contended', message, retryable: true });
  }
}
