/**
 * Opens what `open` opens when it is first asked for, so that an instance pays only for what it does. What could not
 * be opened is tried again by whoever asks next.
 */
export function once<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined;
  return () => {
    opened ??= open().catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
}
