import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type HostOptions, startHost } from './host.ts';
import type { Trigger, TriggerFactory, TriggerParts } from './trigger.ts';

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

/** A kind of trigger with one function, which is started by `binding`, in a host that has nothing else. */
export function openTestTrigger(
  t: TestContext,
  factory: TriggerFactory,
  setup: {
    readonly name: string;
    readonly binding: { readonly type: string; readonly [option: string]: unknown };
    readonly parts: Pick<TriggerParts, 'clock' | 'invoke'> & Partial<TriggerParts>;
  },
): { readonly trigger: Trigger; readonly lines: readonly string[]; stop(): Promise<void> } {
  const lines: string[] = [];
  const trigger = factory({
    stateDir: '',
    env: {},
    keys: undefined,
    log: { write: (_category, _level, message) => lines.push(message) },
    settings: {
      routePrefix: 'api',
      concurrentRequestsMax: Number.POSITIVE_INFINITY,
      outstandingRequestsMax: Number.POSITIVE_INFINITY,
      functionTimeoutMs: 1,
      logLevels: {},
      localHttpPort: undefined,
    },
    ...setup.parts,
  });
  const { name } = setup;
  const binding = { direction: 'in', ...setup.binding } as const;
  trigger.add({
    name,
    metadata: { name, bindings: { input: binding } },
    callback: () => undefined,
    trigger: binding,
    triggerName: 'input',
    disabled: false,
  });
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    stopped ??= trigger.stop?.();
    await stopped;
  };
  t.after(stop);
  return { trigger, lines, stop };
}
