import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startAzuriteTables } from '../../../local/azurite.ts';
import { type HostFigures, openStage as openBareStage } from '../stage.ts';
import type { Tally } from '../tally.ts';
import { bridgeConfigOf, type DrainCase, nameOf } from './cases.ts';
import type { PostLoop } from './post-loop.ts';
import { refused } from './refused.ts';
import type { SeedLoop, SeedResult } from './seed-loop.ts';
import type { Arrivals, Window } from './sink.ts';

/** What the proxy's process is asked: to append so many records to a topic; without `append`, to compact it. */
export interface LogQuestion {
  readonly topic: string;
  readonly append?: number;
}
/** What the sink's process is asked. */
export type SinkQuestion =
  | { readonly begin: Window }
  | { readonly look: string }
  | { readonly hurry: string };
/** What the process of the loops is asked. */
export type LoopQuestion = { readonly post: PostLoop } | { readonly seed: SeedLoop };

/** The parts of the drain's benchmark, each in a process of its own. */
export interface DrainStage extends AsyncDisposable {
  readonly proxyUrl: string;
  readonly sinkUrl: string;
  /** Puts records into a topic; each partition gets as many. */
  append(topic: string, records: number): Promise<void>;
  /** Ends a topic where it has been read, and tells what was in it since the last `append`. */
  compact(topic: string): Promise<Tally>;
  begin(window: Window): Promise<void>;
  look(path: string): Promise<Arrivals>;
  hurry(path: string): Promise<void>;
  post(loop: PostLoop): Promise<Tally>;
  seed(loop: SeedLoop): Promise<SeedResult>;
  /** Starts a run of the drain, as its timer does. It goes on when this has resolved. */
  drain(): Promise<void>;
  figures(): Promise<HostFigures>;
}

/** The topic that the loop of the seed's sample reads. */
export const seedTopic = 'seed';

/**
 * Starts all of them, with the bridge under the local Functions host on an Azurite that keeps nothing. Every case
 * has a topic; values are of a kilobyte, or of mixed sizes.
 */
export async function openStage(options: {
  readonly cases: readonly DrainCase[];
  readonly sizes: 'kilobyte' | 'mixed';
  readonly print: (line: string) => void;
}): Promise<DrainStage> {
  const { cases, sizes, print } = options;
  await using parts = new AsyncDisposableStack();
  const stage = parts.use(await openBareStage({ print }));
  const azurite = await startAzuriteTables({ port: 0 });
  stage.parts.defer(() => azurite.stop());
  const startChild = (name: string, args: readonly string[] = []) =>
    stage.start({ script: `test/bench/children/${name}.ts`, args });
  const proxy = await startChild('log-proxy', [sizes, ...cases.map(nameOf), seedTopic]);
  const sink = await startChild('sink');
  const loops = await startChild('loops');

  const configPath = join(stage.dir, 'bridge.config.json');
  writeFileSync(configPath, bridgeConfigOf(cases, sink.url));
  const bridge = await stage.startHost('bridge', {
    ...stage.settingsFor(proxy.url),
    AzureWebJobsStorage: azurite.connectionString,
    BRIDGE_CONFIG: configPath,
    'AzureWebJobs.flushOutbox.Disabled': 'true',
  });

  const running = parts.move();
  return {
    proxyUrl: proxy.url,
    sinkUrl: sink.url,
    append: (topic, append) => proxy.ask({ topic, append } satisfies LogQuestion),
    compact: (topic) => proxy.ask({ topic } satisfies LogQuestion),
    begin: (begin) => sink.ask({ begin } satisfies SinkQuestion),
    look: (look) => sink.ask({ look } satisfies SinkQuestion),
    hurry: (hurry) => sink.ask({ hurry } satisfies SinkQuestion),
    post: (post) => loops.ask({ post } satisfies LoopQuestion),
    seed: (seed) => loops.ask({ seed } satisfies LoopQuestion),
    drain: async () => {
      const url = `${bridge.url}/admin/functions/drain`;
      const headers = { 'content-type': 'application/json' };
      const { status } = await fetch(url, { method: 'POST', headers, body: '{}' });
      if (status !== 202) throw refused(url, 202, status);
    },
    figures: () => bridge.ask('figures'),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
