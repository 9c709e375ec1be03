import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HostOptions, startHost } from './host.ts';

/** Where the app of the host's own tests lies. */
export const fixtureRoot = join(import.meta.dirname, 'fixtures', 'app');

/** Starts the fixture app on a free port, with its state in a directory of its own, and keeps its lines. */
export async function startTestHost(options: Partial<HostOptions> = {}) {
  const stateDir = mkdtempSync(join(tmpdir(), 'functions-host-'));
  const lines: string[] = [];
  const waiting = new Set<{ pattern: RegExp; resolve: () => void }>();
  const host = await startHost({
    scriptRoot: fixtureRoot,
    port: 0,
    stateDir,
    env: { TICK_SCHEDULE: '0 */5 * * * *', 'AzureWebJobs.switchedOff.Disabled': 'true' },
    print: (line) => {
      lines.push(line);
      for (const waiter of waiting) if (waiter.pattern.test(line)) waiter.resolve();
    },
    ...options,
  });
  return {
    host,
    lines,
    stateDir,
    /** Resolves when the next line that matches is printed. */
    nextLine: (pattern: RegExp) =>
      new Promise<void>((resolve) => {
        const waiter = {
          pattern,
          resolve: () => {
            waiting.delete(waiter);
            resolve();
          },
        };
        waiting.add(waiter);
      }),
    close: async () => {
      await host.close();
      rmSync(stateDir, { recursive: true });
    },
  };
}
