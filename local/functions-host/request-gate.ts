/** Lets in a bounded amount of work: some runs, some waits, the rest is refused. */
export interface RequestGate {
  /** Runs `work` now or when a place is free; undefined when too much is waiting already. */
  enter<T>(work: () => Promise<T>): Promise<T> | undefined;
}

/**
 * `outstandingMax` counts work that runs or waits, `concurrentMax` work that runs; Infinity is allowed. As
 * `maxOutstandingRequests` and `maxConcurrentRequests` of host.json, WebJobs.Extensions.Http `HttpRequestManager`.
 */
export function createRequestGate(limits: {
  readonly concurrentMax: number;
  readonly outstandingMax: number;
}): RequestGate {
  let running = 0;
  const waiting: (() => void)[] = [];

  const run = async <T>(work: () => Promise<T>): Promise<T> => {
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  };

  return {
    enter: (work) => {
      if (running + waiting.length >= limits.outstandingMax) return undefined;
      if (running < limits.concurrentMax) return run(work);
      return new Promise<void>((resolve) => waiting.push(resolve)).then(() => run(work));
    },
  };
}
