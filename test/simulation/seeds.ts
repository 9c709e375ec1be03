import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { planOf } from './plan.ts';
import { run } from './run.ts';

/** What many runs came to. */
export interface Tally {
  runs: number;
  events: number;
  records: number;
  deliveries: number;
  steps: number;
  livedMs: number;
  readonly struck: Record<string, number>;
  readonly failures: Failure[];
}

/** A seed that broke a promise. */
export interface Failure {
  readonly seed: number;
  readonly invariant: string;
  readonly detail: string;
}

/** Which seeds are run, and how. */
export interface SeedsOptions {
  readonly from: number;
  readonly count: number;
  readonly minutes?: number | undefined;
  /** No more seeds are begun after so many have failed. */
  readonly failuresMax: number;
  /** Threads; as many as the machine has cores by default. */
  readonly workers?: number | undefined;
}

/** Is told what the runs came to until now. */
export type OnTally = (soFar: Readonly<Tally>) => void;

/** Seeds that a thread takes at once. */
const chunkSeeds = 20;

/** The tally before the first seed. */
function emptyTally(): Tally {
  return {
    runs: 0,
    events: 0,
    records: 0,
    deliveries: 0,
    steps: 0,
    livedMs: 0,
    struck: {},
    failures: [],
  };
}

/** Runs seeds in this thread, in their order. */
async function runSeedsHere(options: Omit<SeedsOptions, 'workers'>): Promise<Tally> {
  const tally = emptyTally();
  for (let seed = options.from; seed < options.from + options.count; seed += 1) {
    const result = await run(planOf(seed, { minutes: options.minutes }));
    tally.runs += 1;
    tally.events += result.events;
    tally.records += result.records;
    tally.deliveries += result.deliveries;
    tally.steps += result.steps;
    tally.livedMs += result.livedMs;
    for (const [fault, times] of result.struck) tally.struck[fault] = (tally.struck[fault] ?? 0) + times;
    if (result.violation !== undefined) {
      const { invariant, detail } = result.violation;
      tally.failures.push({ seed, invariant, detail });
      if (tally.failures.length >= options.failuresMax) break;
    }
  }
  return tally;
}

/** Runs seeds on all cores. */
export async function runSeeds(options: SeedsOptions, onTally: OnTally = () => undefined): Promise<Tally> {
  const total = emptyTally();
  const end = options.from + options.count;
  let next = options.from;
  const takeChunk = () => {
    if (next >= end || total.failures.length >= options.failuresMax) return undefined;
    const chunk = { ...options, from: next, count: Math.min(chunkSeeds, end - next) };
    next += chunk.count;
    return chunk;
  };
  const take = (tally: Tally) => {
    add(total, tally);
    onTally(total);
  };
  const threads = Math.min(options.workers ?? availableParallelism(), Math.ceil(options.count / chunkSeeds));
  await Promise.all(Array.from({ length: threads }, () => runThread(takeChunk, take)));
  total.failures.sort((one, other) => one.seed - other.seed);
  return total;
}

function runThread(takeChunk: () => SeedsOptions | undefined, take: (tally: Tally) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: 'seeds' });
    const give = () => {
      const chunk = takeChunk();
      if (chunk === undefined) void worker.terminate().then(() => resolve());
      else worker.postMessage(chunk);
    };
    worker.on('message', (tally: Tally) => {
      take(tally);
      give();
    });
    worker.on('error', reject);
    give();
  });
}

function add(total: Tally, more: Tally): void {
  for (const name of ['runs', 'events', 'records', 'deliveries', 'steps', 'livedMs'] as const) {
    total[name] += more[name];
  }
  for (const [fault, times] of Object.entries(more.struck)) {
    total.struck[fault] = (total.struck[fault] ?? 0) + times;
  }
  total.failures.push(...more.failures);
}

if (!isMainThread && workerData === 'seeds') {
  parentPort?.on('message', (options: SeedsOptions) => {
    void runSeedsHere(options).then((tally) => parentPort?.postMessage(tally));
  });
}
