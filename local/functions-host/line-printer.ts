/** Prints lines in batches: a write for each would cost more than most functions do. */
export interface LinePrinter {
  readonly print: (line: string) => void;
  /** Writes what is still waiting. */
  flush(): void;
}

/** A line waits until the current turn of the event loop is over, and no longer. */
export function createLinePrinter(options: { readonly write: (text: string) => void }): LinePrinter {
  let waiting = '';
  const flush = () => {
    const text = waiting;
    waiting = '';
    if (text !== '') options.write(text);
  };
  return {
    print: (line) => {
      if (waiting === '') setImmediate(flush);
      waiting += `${line}\n`;
    },
    flush,
  };
}
