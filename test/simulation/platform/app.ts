import '../world/machine.ts';
import { type Bridge, createBridge } from '../../../src/composition/bridge.ts';
import type { Invocation } from '../../../src/composition/surroundings.ts';
import type { OpenHttpPool } from '../../../src/shared/http.ts';
import { formatLogLine, type Log } from '../../../src/shared/log.ts';
import { silentTelemetry } from '../../../src/shared/telemetry.ts';
import { type AcquireToken, TokenError } from '../../../src/shared/tokens.ts';
import { createTableCheckpointStore } from '../../../src/storage/table/checkpoint-store.ts';
import { createTableDeadLetters } from '../../../src/storage/table/dead-letters.ts';
import { createTableOutbox } from '../../../src/storage/table/outbox.ts';
import { createTableParkedStore } from '../../../src/storage/table/parked.ts';
import { createTableReceipts } from '../../../src/storage/table/receipts.ts';
import { checkRequest, checkSecrets } from '../invariants/secrets.ts';
import type { EndpointsModel } from '../outside/endpoints.ts';
import { issuerHost, type ProofsModel } from '../outside/proofs.ts';
import type { ProxyModel } from '../outside/proxy.ts';
import { type ReplaysModel, replayHost } from '../outside/replays.ts';
import { proxyToken } from '../outside/secrets.ts';
import type { TablesModel } from '../outside/tables.ts';
import type { World } from '../world/world.ts';
import { endpointOf, proxyUrl, readConfig } from './app-config.ts';
import type { Configurations } from './configurations.ts';
import type { Instance } from './instance.ts';

/** The app as one instance runs it. */
export interface App {
  readonly bridge: Bridge;
  /** A call of a function by the platform. */
  invocation(): Invocation;
}

/** Everything outside of an instance. */
export interface Outside {
  readonly world: World;
  readonly proxy: ProxyModel;
  readonly tables: TablesModel;
  readonly endpoints: EndpointsModel;
  readonly proofs: ProofsModel;
  readonly replays: ReplaysModel;
  readonly configurations: Configurations;
}

const tokenLifeMs = 3_600_000;

// Loaded here, since what is loaded from the disk within a run comes when the machine wants.
await import('jsonata');

/** Starts the real bridge on an instance, in a world in place of the machine. */
export async function startApp(outside: Outside, instance: Instance): Promise<App> {
  const { world, tables } = outside;
  const { clock, name } = instance;
  const chance = world.chance(`code of ${name}`);
  const report = logOf(world, instance);
  const table = (of: Parameters<TablesModel['client']>[1]) => tables.client(instance, of);
  let ids = 0;
  let invocations = 0;
  let tokens = 0;

  const acquire: AcquireToken = () =>
    instance.call('tokens', (caller) => {
      const fails = world.strikes('authority fails');
      tokens += 1;
      const value = proxyToken(name, tokens);
      world.after(chance.latencyMs(50, 500), () => {
        if (fails) caller.reject(new TokenError('the authority is away'));
        else caller.resolve({ value, expiresAtMs: clock.now() + tokenLifeMs });
      });
    });
  const checkpoints = createTableCheckpointStore(table('checkpoints'));
  const parked = createTableParkedStore(table('parked'), name);
  const deadLetters = createTableDeadLetters(table('deadletters'), name);
  const outbox = createTableOutbox(table('outbox'), name);
  const receipts = createTableReceipts(table('receipts'));

  const bridge = await createBridge({
    config: readConfig(world.plan, outside.configurations.of(name)),
    clock,
    random: chance.next,
    newId() {
      ids += 1;
      return `${name}-${ids}`;
    },
    openPool: networkOf(outside, instance),
    acquireWith: () => acquire,
    stores: {
      checkpoints: async () => checkpoints,
      parked: async () => parked,
      deadLetters: async () => deadLetters,
      outbox: async () => outbox,
      receipts: async () => receipts,
    },
    telemetry: silentTelemetry,
    report,
  });
  return {
    bridge,
    invocation() {
      invocations += 1;
      return { id: `${name}:${invocations}`, report, caller: {} };
    },
  };
}

/** Where the requests of an instance lead. */
function networkOf({ world, proxy, endpoints, proofs, replays }: Outside, instance: Instance): OpenHttpPool {
  const send = instance.http((request) => {
    checkRequest(world, request);
    if (request.url.startsWith(proxyUrl)) return proxy.serve(request, instance);
    const subscription = endpointOf(request.url);
    if (request.url.includes(replayHost)) return replays.serve(request, instance);
    if (request.url.includes(issuerHost)) return proofs.serveIssuer(subscription, request);
    if (request.method === 'OPTIONS') return proofs.serveDoor(subscription, request, instance);
    return endpoints.serve(subscription, request, instance);
  });
  return () => ({ send, close: async () => undefined });
}

/** The log of an instance is part of the timeline. */
function logOf(world: World, instance: Instance): Log {
  const note: Log['info'] = (event, fields = {}) => {
    for (const value of Object.values(fields)) {
      if (typeof value === 'string') checkSecrets(world, `the log of ${instance.name}`, value);
    }
    world.note(instance.name, () => formatLogLine(event, fields));
  };
  return { info: note, warn: note, error: note };
}
