import type { Clock } from '../shared/clock.ts';
import type { Log, LogFields } from '../shared/log.ts';
import {
  advance,
  type Checkpoint,
  claim,
  type GapCause,
  holdBack,
  isFree,
  passGap,
  type Retry,
  release,
} from './checkpoint.ts';
import type { CheckpointStore, StoredCheckpoint } from './ports.ts';

/** What holding a checkpoint needs. */
export interface HoldingOptions {
  readonly store: CheckpointStore;
  readonly clock: Clock;
  readonly report: Log;
  /** Names this run; no two runs share one. */
  readonly owner: string;
  readonly leaseMs: number;
}

/**
 * A claimed checkpoint, and what of it is not yet stored. Every write is conditional on the version written
 * before; a refused one means that the lease is lost.
 */
export class Holding {
  readonly #options: HoldingOptions;
  #version: string;
  #savedOffset: bigint;
  #checkpoint: Checkpoint;

  private constructor(options: HoldingOptions, stored: StoredCheckpoint) {
    this.#options = options;
    this.#version = stored.version;
    this.#savedOffset = stored.checkpoint.nextOffset;
    this.#checkpoint = stored.checkpoint;
  }

  /** Claims a checkpoint; undefined when somebody else holds it or was faster. */
  static async claim(
    options: HoldingOptions,
    { checkpoint, version }: StoredCheckpoint,
  ): Promise<Holding | undefined> {
    const nowMs = options.clock.now();
    if (!isFree(checkpoint, nowMs)) return undefined;
    const lease = { owner: options.owner, expiresAtMs: nowMs + options.leaseMs };
    const written = await options.store.replace(claim(checkpoint, lease, nowMs), version);
    return written && new Holding(options, written);
  }

  get checkpoint(): Checkpoint {
    return this.#checkpoint;
  }

  /** How often the record at `offset` has failed so far. */
  failuresAt(offset: bigint): number {
    return offset === this.#checkpoint.nextOffset ? (this.#checkpoint.retry?.failures ?? 0) : 0;
  }

  advance(nextOffset: bigint): void {
    this.#checkpoint = advance(this.#checkpoint, nextOffset);
  }

  holdBack(offset: bigint, retry: Retry): void {
    this.#checkpoint = holdBack(advance(this.#checkpoint, offset), retry);
    this.#options.report.warn('drain.held-back', { ...this.#place(), offset, ...retry });
  }

  passGap(toOffset: bigint, cause: GapCause): void {
    const passed = { fromOffset: this.#checkpoint.nextOffset, toOffset, cause };
    this.#options.report.error('drain.gap', { ...this.#place(), ...passed });
    this.#checkpoint = passGap(this.#checkpoint, { toOffset, cause, atMs: this.#options.clock.now() });
  }

  sawEnd(endOffset: bigint): void {
    this.#checkpoint = { ...this.#checkpoint, endOffset };
  }

  /** Renews the lease if less than `neededMs` of it is left. False: it is lost. */
  async ensureLease(neededMs: number): Promise<boolean> {
    const leftMs = (this.#checkpoint.lease?.expiresAtMs ?? 0) - this.#options.clock.now();
    return leftMs > neededMs || this.#renew();
  }

  /** Stores progress, if there is any, and renews the lease with it. False: the lease is lost. */
  async saveProgress(): Promise<boolean> {
    return this.#checkpoint.nextOffset === this.#savedOffset || this.#renew();
  }

  /** Stores what is not yet stored and gives the lease up; undefined: it was lost before. */
  async release(): Promise<StoredCheckpoint | undefined> {
    const released = await this.#write(release(this.#checkpoint));
    return released ? { checkpoint: this.#checkpoint, version: this.#version } : undefined;
  }

  #renew(): Promise<boolean> {
    const { owner, clock, leaseMs } = this.#options;
    return this.#write({ ...this.#checkpoint, lease: { owner, expiresAtMs: clock.now() + leaseMs } });
  }

  async #write(checkpoint: Checkpoint): Promise<boolean> {
    const written = await this.#options.store.replace(checkpoint, this.#version);
    if (written === undefined) return false;
    this.#version = written.version;
    this.#savedOffset = checkpoint.nextOffset;
    this.#checkpoint = checkpoint;
    return true;
  }

  #place(): LogFields {
    const { subscription, topic, partition } = this.#checkpoint;
    return { subscription, topic, partition };
  }
}
