/** A time in milliseconds since the epoch as RFC 3339; null for 0 and for what no date can hold. */
export function isoOf(ms: number | bigint): string | null {
  const date = new Date(Number(ms));
  return Number(ms) === 0 || Number.isNaN(date.getTime()) ? null : date.toISOString();
}
