/**
 * Opens what `open` opens when it is first asked for, and once for all who ask. What could not be opened is tried
 * again by whoever asks next.
 */
export function openOnce<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined;
  return () => {
    opened ??= open().catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
}
