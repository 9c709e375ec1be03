import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { HostProcess } from '../../local/host-process.ts';
import { type Cloud, freePorts, type StartHostOptions, startCloud } from '../../local/stack.ts';

/** How long a test waits for what must happen before it calls it missing. */
export const patienceMs = 30_000;

/** What stands in for Azure, for the tests of one file. */
export interface TestCloud extends Cloud {
  /** Starts a Functions host on the configuration of the end-to-end tests. */
  startHost(options?: StartHostOptions): Promise<HostProcess>;
}

/** Starts it on free ports and in memory; it is closed after the last test of the file. */
export async function openTestCloud(): Promise<TestCloud> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-'));
  const cloud = await startCloud({ dir, durable: false, ports: freePorts, visibilityDelayMs: 100 });
  after(async () => {
    await cloud.close();
    await rm(dir, { recursive: true, force: true });
  });
  const settings = {
    BRIDGE_CONFIG: 'test/e2e/bridge.config.json',
    TABLE_PREFIX: 'test',
    GITHUB_SECRET: 'test-github-secret',
  };
  return {
    ...cloud,
    startHost: (options = {}) =>
      cloud.startHost({ ...options, settings: { ...settings, ...options.settings } }),
  };
}
