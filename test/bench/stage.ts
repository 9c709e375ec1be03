import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificate } from '../../local/certificate.ts';
import { exampleSettings } from '../../local/stack.ts';
import { startTokenIssuer } from '../../local/token-issuer.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { type Child, type ChildOptions, startChild } from './child.ts';
import type { LoadOptions, LoadResult, RunLoad } from './load.ts';
import { assertAllProduced, type Tally } from './tally.ts';

/** How a proxy behaves: what a call takes, and how many it works on at once. */
export interface ProxyKind {
  readonly name: 'free' | 'tight';
  readonly callMs: number;
  readonly callsMax: number;
}

export const freeProxy: ProxyKind = { name: 'free', callMs: 5, callsMax: Number.POSITIVE_INFINITY };
/** As a proxy with few worker threads. */
export const tightProxy: ProxyKind = { name: 'tight', callMs: 5, callsMax: 8 };

/** What takes events in, for the load to be put on; with `proxyUrl`, where they then must be. */
export interface Target {
  readonly url: string;
  readonly proxyUrl?: string;
}

/** Starts the parts of a comparison and ends them all. */
export interface Stage extends AsyncDisposable {
  /** The load generator, in a process of its own. */
  readonly load: RunLoad;
  startProxy(kind: ProxyKind): Promise<Child>;
  /** The bridge, under the local Functions host. */
  startBridge(proxyUrl: string): Promise<Child>;
  /** The same host, with a function that answers 202 and does nothing. */
  startCeiling(): Promise<Child>;
  /** A server that does the least that could be done in the bridge's place. */
  startBare(proxyUrl: string): Promise<Child>;
}

/** What the Functions host says when all is well. */
const banner = /^(?:\t.*|Functions:|Host is listening on .*)?$/;

/** Opens a stage with the token issuer that the bridge needs, in this process: one token serves a whole run. */
export async function openStage(options: { readonly print: (line: string) => void }): Promise<Stage> {
  const { print } = options;
  await using parts = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  parts.defer(() => rm(dir, { recursive: true, force: true }));
  const certificate = await ensureCertificate({ dir: join(dir, 'tls'), clock: systemClock });
  const identity = exampleSettings();
  const issuer = await startTokenIssuer({
    port: 0,
    tls: certificate,
    tenantId: identity.KAFKA_REST_TENANT_ID,
    clients: [
      {
        clientId: identity.KAFKA_REST_CLIENT_ID,
        clientSecret: identity.KAFKA_REST_CLIENT_SECRET,
        groups: [],
      },
    ],
  });
  parts.defer(() => issuer.close());
  const settingsFor = (proxyUrl: string) => ({
    ...identity,
    KAFKA_REST_URL: proxyUrl,
    KAFKA_REST_AUTHORITY: issuer.authority,
    BRIDGE_CONFIG: 'test/bench/apps/bridge/bridge.config.json',
    NODE_EXTRA_CA_CERTS: certificate.certPath,
    // Timers are not part of the comparison, and there is no storage that they could look into.
    'AzureWebJobs.drain.Disabled': 'true',
    'AzureWebJobs.flushOutbox.Disabled': 'true',
  });
  const host = (app: string) => ({
    script: 'local/functions-host/main.ts',
    args: ['--port', '0', '--script-root', `test/bench/apps/${app}`, '--state', join(dir, app)],
    preload: './test/bench/children/memory-probe.ts',
  });

  const printUnlessBanner = (line: string) => {
    if (!banner.test(line)) print(line);
  };
  const generator = await startChild({ script: 'test/bench/children/load.ts', print });
  parts.defer(() => generator.stop());

  const running = parts.move();
  const start = async (child: Omit<ChildOptions, 'print'>) => {
    const started = await startChild({ ...child, print: printUnlessBanner });
    running.defer(() => started.stop());
    return started;
  };
  return {
    load: (load: LoadOptions) => generator.ask<LoadResult>(load),
    startProxy: ({ callMs, callsMax }) =>
      start({ script: 'test/bench/children/slow-proxy.ts', args: [String(callMs), String(callsMax)] }),
    startBridge: (proxyUrl) => start({ ...host('bridge'), env: settingsFor(proxyUrl) }),
    startCeiling: () => start(host('ceiling')),
    startBare: (proxyUrl) =>
      start({ script: 'test/bench/children/bare-server.ts', env: settingsFor(proxyUrl) }),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/**
 * Puts a load on a target and checks that the proxy has each acknowledged event, once.
 *
 * @throws {SluiceError} when an event is refused, or the counts differ.
 */
export async function measure(
  load: RunLoad,
  target: Target,
  options: Omit<LoadOptions, 'url'>,
): Promise<LoadResult> {
  const { url, proxyUrl } = target;
  const before = proxyUrl === undefined ? undefined : await readTally(proxyUrl);
  const result = await load({ ...options, url: `${url}/api/events/bench` });
  if (proxyUrl !== undefined && before !== undefined) {
    assertAllProduced(result.acknowledged, { before, after: await readTally(proxyUrl) });
  }
  return result;
}

async function readTally(proxyUrl: string): Promise<Tally> {
  return (await (await fetch(`${proxyUrl}/tally`)).json()) as Tally;
}
