/** Where progress is shown; of a process, its stderr. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Shows how far something long has come: on a terminal a line that is rewritten, elsewhere a line now and then. */
export interface Progress {
  /** How things stand now; what comes soon after another is not shown. */
  show(line: string): void;
  /** Takes the line from the terminal, so that something else can be written there. */
  clear(): void;
}

const everyMs = { terminal: 100, elsewhere: 10_000 };
/** Back to the beginning of the line, and nothing in it (ECMA-48, "erase in line"). */
const emptyLine = '\r\u001B[K';

/** @param nowMs a clock that never goes back; only differences count. */
export function createProgress({
  stream,
  nowMs,
}: {
  readonly stream: ProgressStream;
  readonly nowMs: () => number;
}): Progress {
  const isTerminal = stream.isTTY === true;
  const pauseMs = isTerminal ? everyMs.terminal : everyMs.elsewhere;
  // A log that nobody watches needs no first line.
  let nextMs = isTerminal ? Number.NEGATIVE_INFINITY : nowMs() + pauseMs;
  return {
    show(line) {
      if (nowMs() < nextMs) return;
      nextMs = nowMs() + pauseMs;
      // A line that goes on in the next one could not be rewritten. Some terminals give their width as 0.
      stream.write(isTerminal ? `${emptyLine}${line.slice(0, (stream.columns || 80) - 1)}` : `${line}\n`);
    },
    clear() {
      if (!isTerminal) return;
      stream.write(emptyLine);
      nextMs = Number.NEGATIVE_INFINITY;
    },
  };
}

/** How long the rest takes if it goes on as it went until now, as in `3 min 20 s left`. */
export function timeLeft({
  done,
  all,
  tookMs,
}: {
  readonly done: number;
  readonly all: number;
  readonly tookMs: number;
}): string {
  const leftSeconds = done === 0 ? Number.NaN : Math.round((tookMs / done) * (all - done)) / 1000;
  if (Number.isNaN(leftSeconds)) return 'time left unknown';
  const seconds = Math.ceil(leftSeconds);
  return seconds < 60 ? `${seconds} s left` : `${Math.floor(seconds / 60)} min ${seconds % 60} s left`;
}
