import type {
  ParkedChange,
  ParkedEntry,
  ParkedPartition,
  ParkedRecord,
  ParkedStore,
  PartitionPlace,
} from './ports.ts';

interface QueuedWrite {
  readonly changes: readonly ParkedChange[];
  readonly resolve: (written: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The parked records of a partition during a walk. The store is opened when it is first needed, which shuts out
 * whoever held it before; writes asked for while one is under way go together in the next.
 */
export class Parking {
  readonly #store: ParkedStore;
  readonly #place: PartitionPlace;
  readonly #onFound: (entries: readonly ParkedEntry[]) => void;
  readonly #epoch: number;
  #opening: Promise<ParkedPartition> | undefined;
  readonly #offsets = new Set<bigint>();
  #queued: QueuedWrite[] = [];
  #writing = false;
  #inDoubt: boolean;

  constructor(options: {
    readonly store: ParkedStore;
    readonly place: PartitionPlace;
    /** Of the claim by which the partition is held. */
    readonly epoch: number;
    /** Whether something may be parked that nobody has looked at yet. */
    readonly inDoubt: boolean;
    /** Told once what is parked already, in the order of offsets. */
    readonly onFound: (entries: readonly ParkedEntry[]) => void;
  }) {
    this.#store = options.store;
    this.#place = options.place;
    this.#epoch = options.epoch;
    this.#inDoubt = options.inDoubt;
    this.#onFound = options.onFound;
  }

  /** How many records are parked. */
  get count(): number {
    return this.#offsets.size;
  }

  /**
   * Whether there may be more than {@link count} says, so that the next walk must look: the store was not opened
   * although it had to be, or a write broke and may have been carried out all the same.
   */
  get inDoubt(): boolean {
    return this.#inDoubt;
  }

  has(offset: bigint): boolean {
    return this.#offsets.size > 0 && this.#offsets.has(offset);
  }

  /** Takes the parked records over. @throws what the store throws. */
  open(): Promise<ParkedPartition> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** A parked record, whole; undefined when it is no longer there. @throws what the store throws. */
  async read(offset: bigint): Promise<ParkedRecord | undefined> {
    const parked = await (await this.open()).read(offset);
    if (parked === undefined) this.#offsets.delete(offset);
    return parked;
  }

  /** Parks records, or stores what came of parked ones; false: somebody else has taken over. */
  put(records: readonly ParkedRecord[]): Promise<boolean> {
    return this.#write(records.map((parked) => ({ kind: 'put', parked })));
  }

  /** Records are parked no longer; false: somebody else has taken over. */
  remove(offsets: readonly bigint[]): Promise<boolean> {
    return this.#write(offsets.map((offset) => ({ kind: 'remove', offset })));
  }

  async #open(): Promise<ParkedPartition> {
    const partition = await this.#store.open(this.#place, this.#epoch);
    for (const { offset } of partition.entries) this.#offsets.add(offset);
    this.#inDoubt = false;
    if (partition.entries.length > 0) this.#onFound(partition.entries);
    return partition;
  }

  #write(changes: readonly ParkedChange[]): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#queued.push({ changes, resolve, reject });
      if (!this.#writing) void this.#writeQueued();
    });
  }

  /** Never rejects: each write is told its own outcome. */
  async #writeQueued(): Promise<void> {
    this.#writing = true;
    while (this.#queued.length > 0) {
      const together = this.#queued;
      this.#queued = [];
      const changes = together.flatMap((queued) => queued.changes);
      try {
        const written = await (await this.open()).write(changes);
        if (written) this.#note(changes);
        for (const { resolve } of together) resolve(written);
      } catch (error) {
        this.#inDoubt = true;
        for (const { reject } of together) reject(error);
      }
    }
    this.#writing = false;
  }

  #note(changes: readonly ParkedChange[]): void {
    for (const change of changes) {
      if (change.kind === 'put') this.#offsets.add(change.parked.record.offset);
      else this.#offsets.delete(change.offset);
    }
  }
}
