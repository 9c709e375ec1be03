import { type Clock, noLongerNeeded } from './clock.ts';
import { describeError, SluiceError } from './error.ts';
import type { Log } from './log.ts';

/** Resolves when the thing checked works; the signal says when nobody waits for it any more. */
export type Check = (signal: AbortSignal) => Promise<void>;

/** What the checks found. Only codes are given, since anybody may ask; the log has the rest. */
export interface HealthReport {
  readonly healthy: boolean;
  readonly checks: Readonly<
    Record<string, { readonly ok: boolean; readonly code?: string; readonly latencyMs: number }>
  >;
}

/** Runs all checks at once; one that has not ended after `deadlineMs` milliseconds has failed. */
export async function checkHealth(options: {
  readonly checks: Readonly<Record<string, Check>>;
  readonly clock: Clock;
  readonly report: Log;
  readonly deadlineMs: number;
}): Promise<HealthReport> {
  const { clock, report, deadlineMs } = options;
  const results = await Promise.all(
    Object.entries(options.checks).map(async ([name, check]) => {
      const startedAtMs = clock.now();
      try {
        await withDeadline(check, clock, deadlineMs);
        return [name, { ok: true, latencyMs: clock.now() - startedAtMs }] as const;
      } catch (error) {
        report.error('health.failed', { check: name, error: describeError(error) });
        const code = error instanceof SluiceError ? error.code : 'health.unexpected';
        return [name, { ok: false, code, latencyMs: clock.now() - startedAtMs }] as const;
      }
    }),
  );
  return { healthy: results.every(([, result]) => result.ok), checks: Object.fromEntries(results) };
}

async function withDeadline(check: Check, clock: Clock, deadlineMs: number): Promise<void> {
  const ended = new AbortController();
  const overdue = clock.sleep(deadlineMs, ended.signal).then(
    () => {
      throw new SluiceError({
        code: 'health.timeout',
        message: `no result within ${deadlineMs} ms`,
        retryable: true,
      });
    },
    () => undefined,
  );
  try {
    await Promise.race([check(ended.signal), overdue]);
  } finally {
    ended.abort(noLongerNeeded);
  }
}
