/** Fields of a log line; a bigint is printed as its decimal string. */
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | null | undefined>>;

/** Where log lines go: one wide line per thing that happened, named in `event`. */
export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** Formats a line as `event key=value key="two words"`, leaving undefined fields out. */
export function formatLogLine(event: string, fields: LogFields = {}): string {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => {
      const text = String(value);
      return `${key}=${/^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)}`;
    });
  return [event, ...parts].join(' ');
}

/** A log that keeps nothing. */
export const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
