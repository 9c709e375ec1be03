/** A queue that gives back first what stands before all others, whatever the order in which it came (a binary heap). */
export class Heap<T> {
  readonly #isBefore: (one: T, other: T) => boolean;
  /** Each stands before those at twice its index plus one and plus two. */
  readonly #items: T[] = [];

  constructor(isBefore: (one: T, other: T) => boolean) {
    this.#isBefore = isBefore;
  }

  /** What stands before all others, left in the heap. */
  get first(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = items[above] as T;
      if (!this.#isBefore(item, other)) break;
      items[at] = other;
      at = above;
    }
    items[at] = item;
  }

  /** Takes what stands before all others. */
  take(): T | undefined {
    const items = this.#items;
    const [first] = items;
    const last = items.pop();
    if (last !== undefined && items.length > 0) this.#sink(last);
    return first;
  }

  /** Puts an item at the top, and then as far down as it belongs. */
  #sink(item: T): void {
    const items = this.#items;
    let at = 0;
    for (let below = 1; below < items.length; below = 2 * at + 1) {
      const right = below + 1;
      if (right < items.length && this.#isBefore(items[right] as T, items[below] as T)) below = right;
      const other = items[below] as T;
      if (!this.#isBefore(other, item)) break;
      items[at] = other;
      at = below;
    }
    items[at] = item;
  }
}
