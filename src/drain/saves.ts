import type { Clock } from '../shared/clock.ts';
import type { Advance } from './checkpoint.ts';
import type { Holding } from './holding.ts';

/** Progress is stored once this part of the window is unsaved; deliveries go on meanwhile in the rest of it. */
const savedPart = 5 / 8;
/** Progress is stored after this, however little it is. */
const saveAfterMs = 5_000;

/** What saving needs. */
export interface SavesOptions {
  readonly holding: Holding;
  readonly clock: Clock;
  readonly leaseMs: number;
  /** The longest that one attempt can take, in milliseconds. */
  readonly attemptMs: number;
  readonly windowRecords: number;
  /** What there is to store, as it is now. */
  readonly standing: () => Advance;
  /** The lease was lost. */
  readonly onLost: () => void;
  readonly onError: (error: unknown) => void;
  /** A save has ended, well or not. */
  readonly onEnd: () => void;
}

/**
 * When a walk stores its progress, which renews its lease: one write at a time, while deliveries go on. Counts the
 * records that are finished and not stored so.
 */
export class Saves {
  readonly #options: SavesOptions;
  #unsaved = 0;
  #savedAtMs: number;
  #saving: Promise<boolean> | undefined;

  constructor(options: SavesOptions) {
    this.#options = options;
    this.#savedAtMs = options.clock.now();
  }

  /** Records that were finished and are not stored so yet. */
  get unsaved(): number {
    return this.#unsaved;
  }

  /** Whether a save is under way. */
  get underWay(): boolean {
    return this.#saving !== undefined;
  }

  /** When something will be due, if nothing happens before (milliseconds since the epoch). */
  get dueAtMs(): number {
    const { clock, holding, leaseMs } = this.#options;
    const renewAtMs = clock.now() + holding.leftMs() - leaseMs / 2;
    return this.#unsaved > 0 ? Math.min(renewAtMs, this.#savedAtMs + saveAfterMs) : renewAtMs;
  }

  noteFinished(count: number): void {
    this.#unsaved += count;
  }

  /** Whether the lease outlasts an attempt that begins now. */
  leaseOutlasts(): boolean {
    return this.#options.holding.leftMs() > this.#options.attemptMs;
  }

  isDue(): boolean {
    if (this.underWay) return false;
    const { windowRecords, clock } = this.#options;
    return this.#unsaved >= Math.max(1, windowRecords * savedPart) || clock.now() >= this.dueAtMs;
  }

  /** Stores progress, or waits for the save that is under way. False: that failed. Never rejects. */
  save(): Promise<boolean> {
    this.#saving ??= this.#store().finally(() => {
      this.#saving = undefined;
      this.#options.onEnd();
    });
    return this.#saving;
  }

  /** Waits for the save that is under way, if any. False: it failed. */
  async settled(): Promise<boolean> {
    return (await this.#saving) ?? true;
  }

  async #store(): Promise<boolean> {
    const { holding, standing, clock, onLost, onError } = this.#options;
    const unsaved = this.#unsaved;
    try {
      const saved = await holding.save(standing());
      if (!saved) onLost();
      this.#unsaved -= unsaved;
      this.#savedAtMs = clock.now();
      return saved;
    } catch (error) {
      onError(error);
      return false;
    }
  }
}
