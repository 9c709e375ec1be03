/** Rows under a head, columns as wide as they must be; those that `right` names are aligned to the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly string[] = [],
): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return right.includes(head[column] ?? '') ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [head, ...rows].map(line).join('\n');
}

/** A span in the two largest of its units: `1h 05m`, `12s`, `80ms`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  const seconds = Math.round(ms / 1_000);
  const units = [
    [86_400, 'd', 3_600, 'h'],
    [3_600, 'h', 60, 'm'],
    [60, 'm', 1, 's'],
  ] as const;
  for (const [large, largeName, small, smallName] of units) {
    if (seconds < large) continue;
    const rest = Math.floor((seconds % large) / small);
    return `${Math.floor(seconds / large)}${largeName} ${String(rest).padStart(2, '0')}${smallName}`;
  }
  return `${seconds}s`;
}

/** How long ago, or in how long, seen from `now`; both RFC 3339. */
export function relative(time: string | null, now: string): string {
  if (time === null) return 'never';
  const ms = Date.parse(time) - Date.parse(now);
  return ms > 0 ? `in ${duration(ms)}` : `${duration(-ms)} ago`;
}

/** A number with its thousands apart. */
export function grouped(value: number): string {
  return value.toLocaleString('en-US');
}
