const millisecondDigits = 15;
const sequenceDigits = 10;

/**
 * Makes ids for table keys which sort by time. Ids of one maker keep their order even within a millisecond and
 * when the clock is set back; ids of two makers are never the same.
 *
 * @param maker names the maker; no two that write to one table share a name.
 */
export function createTimeOrderedIds(maker: string): (nowMs: number) => string {
  let lastMs = 0;
  let sequence = 0;
  return (nowMs) => {
    lastMs = Math.max(lastMs, Math.trunc(nowMs));
    sequence += 1;
    return `${sortableMs(lastMs)}-${String(sequence).padStart(sequenceDigits, '0')}-${maker}`;
  };
}

/** Milliseconds since the epoch as text that sorts like the number. */
export function sortableMs(ms: number): string {
  return String(Math.trunc(ms)).padStart(millisecondDigits, '0');
}
