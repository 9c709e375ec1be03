import type { Clock } from '../shared/clock.ts';
import { type Advance, advance, type Checkpoint, claim, isFree, release } from './checkpoint.ts';
import type { CheckpointStore, StoredCheckpoint } from './ports.ts';

/** What holding a checkpoint needs. */
export interface HoldingOptions {
  readonly checkpoints: CheckpointStore;
  readonly clock: Clock;
  /** Names this run; no two runs share one. */
  readonly owner: string;
  readonly leaseMs: number;
}

/**
 * A claimed checkpoint as it is stored. Every write is conditional on the version written before; a refused one means
 * that the lease is lost. Writes come one after another: whoever writes sees to it.
 */
export class Holding {
  readonly #options: HoldingOptions;
  #stored: StoredCheckpoint;
  /** The lease of somebody else had lapsed: what that holder did last may not be in the checkpoint. */
  readonly takenOver: boolean;

  private constructor(options: HoldingOptions, stored: StoredCheckpoint, takenOver: boolean) {
    this.#options = options;
    this.#stored = stored;
    this.takenOver = takenOver;
  }

  /** Claims a checkpoint; undefined when somebody else holds it or was faster. */
  static async claim(
    options: HoldingOptions,
    { checkpoint, version }: StoredCheckpoint,
  ): Promise<Holding | undefined> {
    const nowMs = options.clock.now();
    if (!isFree(checkpoint, nowMs)) return undefined;
    const lease = { owner: options.owner, expiresAtMs: nowMs + options.leaseMs };
    const written = await options.checkpoints.replace(claim(checkpoint, lease, nowMs), version);
    return written && new Holding(options, written, checkpoint.lease !== null);
  }

  /** The checkpoint as it was stored last. */
  get checkpoint(): Checkpoint {
    return this.#stored.checkpoint;
  }

  /** How much of the lease is left, in milliseconds. */
  leftMs(): number {
    return (this.checkpoint.lease?.expiresAtMs ?? 0) - this.#options.clock.now();
  }

  /** Stores what was done and renews the lease. False: the lease is lost. */
  async save(to: Advance): Promise<boolean> {
    const { owner, clock, leaseMs } = this.#options;
    const lease = { owner, expiresAtMs: clock.now() + leaseMs };
    return (await this.#write({ ...advance(this.checkpoint, to), lease })) !== undefined;
  }

  /** Stores what was done and gives the lease up; undefined: it was lost before. */
  async release(to: Advance): Promise<StoredCheckpoint | undefined> {
    return this.#write(release(advance(this.checkpoint, to)));
  }

  async #write(checkpoint: Checkpoint): Promise<StoredCheckpoint | undefined> {
    const written = await this.#options.checkpoints.replace(checkpoint, this.#stored.version);
    if (written !== undefined) this.#stored = written;
    return written;
  }
}
