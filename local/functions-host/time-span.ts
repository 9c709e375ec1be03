import { HostError } from './host-error.ts';

const pattern = /^(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?$/;

/** Whether `text` has the form of a .NET TimeSpan: `[d.]hh:mm[:ss]`. */
export function isTimeSpan(text: string): boolean {
  return pattern.test(text);
}

/**
 * A .NET TimeSpan, `[d.]hh:mm[:ss]`, in milliseconds. Hours beyond 23 are refused: .NET reads "24:00:00" as 24 days.
 *
 * @throws {HostError} when `text` is none.
 */
export function parseTimeSpan(text: string): number {
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = (pattern.exec(text) ?? [])
    .slice(1)
    .map((part) => Number(part ?? 0));
  if (!isTimeSpan(text) || hours > 23 || minutes > 59 || seconds > 59) {
    throw new HostError(`"${text}" is no time span: hh:mm:ss, or d.hh:mm:ss from one day on`);
  }
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000;
}
