/** Places that at most so many hold at once. */
export interface Slots {
  /** Resolves when a place is free, in the order of the calls. */
  take(): Promise<void>;
  free(): void;
}

/** Makes `max` places; Infinity is allowed. */
export function createSlots(max: number): Slots {
  let taken = 0;
  const waiting: (() => void)[] = [];
  return {
    take() {
      if (taken >= max) return new Promise((resolve) => waiting.push(resolve));
      taken += 1;
      return Promise.resolve();
    },
    free() {
      const next = waiting.shift();
      // The place of one who leaves goes to the next one, not back: a newcomer cannot slip in between.
      if (next === undefined) taken -= 1;
      else next();
    },
  };
}
