/** Memory is flat when the highest value of the second half is at most this many times that of the first half. */
const rssGrowthMax = 1.1;

/** What the bridge's process held while much went through it. */
export interface MemoryRun {
  /** Resident set size after each step, in bytes. */
  readonly rssBytes: readonly number[];
  readonly flat: boolean;
}

/** Whether memory has stopped growing by the half of the run; see {@link rssGrowthMax}. */
export function isFlat(rssBytes: readonly number[]): boolean {
  const half = Math.floor(rssBytes.length / 2);
  return Math.max(...rssBytes.slice(half)) <= Math.max(...rssBytes.slice(0, half)) * rssGrowthMax;
}

/** The outcome in words. */
export function describeFlatness({ flat }: MemoryRun): string {
  const rule = `flat: the highest RSS of the second half is at most ${rssGrowthMax} times that of the first half`;
  return `Memory is ${flat ? 'flat' : 'not flat'} (${rule}).`;
}

/** One step of a run, in words: how many went through so far, what the process holds, and how fast it went. */
export function describeStep(step: {
  readonly count: number;
  readonly what: 'events' | 'records';
  readonly rssBytes: number;
  readonly perSecond: number;
}): string {
  const rss = `${(step.rssBytes / 1_048_576).toFixed(1)} MiB`.padStart(11);
  return `${String(step.count).padStart(9)} ${step.what}  RSS ${rss}  ${step.perSecond.toFixed(0)}/s`;
}
