import type { Child } from '../child.ts';
import { openStage as openBareStage } from '../stage.ts';
import { assertAllProduced, type Tally } from '../tally.ts';
import type { LoadOptions, LoadResult, RunLoad } from './load.ts';

/** How a proxy behaves: what a call takes, and how many it works on at once. */
export interface ProxyKind {
  readonly name: 'free' | 'tight';
  readonly callMs: number;
  readonly callsMax: number;
}

/** Takes whatever comes at once. */
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

/** Opens the stage with its load generator. */
export async function openStage(options: { readonly print: (line: string) => void }): Promise<Stage> {
  await using parts = new AsyncDisposableStack();
  const stage = parts.use(await openBareStage(options));
  const generator = await stage.start({ script: 'test/bench/children/load.ts' });
  const settingsFor = (proxyUrl: string) => ({
    ...stage.settingsFor(proxyUrl),
    BRIDGE_CONFIG: 'test/bench/apps/bridge/bridge.config.json',
    // Timers are not part of the comparison, and there is no storage that they could look into.
    'AzureWebJobs.drain.Disabled': 'true',
    'AzureWebJobs.flushOutbox.Disabled': 'true',
  });
  const running = parts.move();
  return {
    load: (load: LoadOptions) => generator.ask<LoadResult>(load),
    startProxy: ({ callMs, callsMax }) =>
      stage.start({ script: 'test/bench/children/slow-proxy.ts', args: [String(callMs), String(callsMax)] }),
    startBridge: (proxyUrl) => stage.startHost('bridge', settingsFor(proxyUrl)),
    startCeiling: () => stage.startHost('ceiling'),
    startBare: (proxyUrl) =>
      stage.start({ script: 'test/bench/children/bare-server.ts', env: settingsFor(proxyUrl) }),
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
