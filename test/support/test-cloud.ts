import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import {
  type Cloud,
  freePorts,
  type HostProcess,
  type StartHostOptions,
  startCloud,
} from '../../local/stack.ts';
import usualConfig from '../e2e/bridge.config.json' with { type: 'json' };

export { usualConfig };

/** How long a test waits for what must happen before it calls it missing. */
export const patienceMs = 30_000;

/** What stands in for Azure, for the tests of one file. */
export interface TestCloud extends Cloud {
  /** Writes a configuration, and resolves with what the setting BRIDGE_CONFIG is to be. */
  writeConfig(config: object): Promise<string>;
  /** Starts a Functions host, on the usual configuration unless told otherwise. */
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
  let configs = 0;
  return {
    ...cloud,
    writeConfig: async (config) => {
      configs += 1;
      const path = join(dir, `bridge-${configs}.config.json`);
      await writeFile(path, JSON.stringify(config));
      return path;
    },
    startHost: (options = {}) =>
      cloud.startHost({ ...options, settings: { ...settings, ...options.settings } }),
  };
}
