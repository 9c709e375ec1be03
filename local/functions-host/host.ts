import { join, resolve } from 'node:path';
import { type Clock, systemClock } from '../../src/shared/clock.ts';
import { describeError } from '../../src/shared/error.ts';
import { createAdmin, type HostedFunction } from './admin.ts';
import { eventGridTrigger } from './eventgrid-trigger.ts';
import { HostError } from './host-error.ts';
import { createHostLog, type HostLog } from './host-log.ts';
import { type Exchange, listen, send } from './http-server.ts';
import { httpTrigger } from './http-trigger.ts';
import { createInvoker, type InvocationResult, type Invoker } from './invoke.ts';
import { openKeys } from './keys.ts';
import { type AppFunction, loadApp } from './load-app.ts';
import { createQueueOutputs } from './queue-output.ts';
import { createQueueTrigger } from './queue-trigger.ts';
import { choosePort, readSettings } from './settings.ts';
import { createQueues } from './storage-queue.ts';
import { timerTrigger } from './timer-trigger.ts';
import { drainTimeoutMs, type Trigger, type TriggerFactory, type TriggerParts } from './trigger.ts';
import { runHooks, workerApp } from './worker-app.ts';

/** What a host is started with. */
export interface HostOptions {
  /** The directory of host.json and package.json. */
  readonly scriptRoot: string;
  /** 0 picks a free one; otherwise as local.settings.json says, or 7071. */
  readonly port?: number | undefined;
  /** Whether functions and admin endpoints ask for keys, as they do in Azure; Core Tools' `--enable-auth`. */
  readonly enableAuth?: boolean;
  /** Where keys and timer status are kept; `<scriptRoot>/.local/host` if not given. */
  readonly stateDir?: string | undefined;
  readonly clock?: Clock;
  /** App settings, read by the host and the app; the process's own if not given. */
  readonly env?: NodeJS.ProcessEnv;
  /** Takes one log line, without a line end. */
  readonly print: (line: string) => void;
}

/** A host that listens, with its app loaded. */
export interface Host {
  /** Without a slash at its end. */
  readonly url: string;
  readonly functions: readonly AppFunction[];
  /** Runs a function once, as `POST /admin/functions/{name}` does. @throws {HostError} when there is no such function. */
  invoke(name: string, input?: string): Promise<InvocationResult>;
  /** Ends triggers and connections, waits up to `drainTimeoutMs` for what runs, and runs the `appTerminate` hooks. */
  close(): Promise<void>;
}

/**
 * Loads a built app of the Node v4 programming model and runs its functions as Core Tools and the Functions host
 * do. One process can start one host.
 *
 * @throws {HostError} when settings are wrong, a file of the app fails to load, or a function cannot be run.
 */
export async function startHost(options: HostOptions): Promise<Host> {
  const scriptRoot = resolve(options.scriptRoot);
  const clock = options.clock ?? systemClock;
  const env = options.env ?? process.env;
  const settings = readSettings({ scriptRoot, env });
  const log = createHostLog({ levels: settings.logLevels, clock, print: options.print });
  const stateDir = resolve(options.stateDir ?? join(scriptRoot, '.local', 'host'));
  const keys = options.enableAuth ? openKeys(join(stateDir, 'keys.json')) : undefined;
  const loaded = await loadApp({
    scriptRoot,
    env,
    log: (level, _category, text) => log.write('Worker.node', level, text),
  });

  const { functionTimeoutMs, queues: queueSettings } = settings;
  const queues = createQueues({ env });
  const writeOutputs = createQueueOutputs({
    functions: loaded.filter((fn) => !fn.disabled),
    queues,
    messageEncoding: queueSettings.messageEncoding,
  });
  const invoker = createInvoker({ clock, log, functionTimeoutMs, writeOutputs });
  const { invoke } = invoker;
  const { triggers, hosted } = assignTriggers(
    loaded,
    {
      httptrigger: httpTrigger,
      eventgridtrigger: eventGridTrigger,
      timertrigger: timerTrigger,
      queuetrigger: createQueueTrigger({ queues, settings: queueSettings }),
    },
    { clock, log, settings, env, stateDir, keys, invoke },
  );
  const admin = createAdmin({ functions: hosted, keys, invoke });
  const answerers: readonly Answerer[] = [admin, ...triggers.map((trigger) => trigger.answer)];
  const listener = await listen({
    port: choosePort(options.port, settings),
    answer: (exchange) => answer(exchange, answerers, log),
  });
  const url = `http://localhost:${listener.port}`;
  for (const line of describeHost(hosted, url)) options.print(line);
  for (const line of keys?.describe() ?? []) options.print(line);
  for (const trigger of triggers) trigger.start?.();

  return {
    url,
    functions: loaded,
    invoke: async (name, input) => {
      const found = hosted.find(({ fn }) => fn.name.toLowerCase() === name.toLowerCase());
      if (!found) {
        const names = hosted.map(({ fn }) => fn.name).join(', ');
        throw new HostError(`there is no function "${name}"; there are ${names}`);
      }
      return invoke(found.fn, found.trigger.manual(found.fn, input));
    },
    close: async () => {
      listener.close();
      await finish(triggers, invoker, log);
      listener.destroy();
    },
  };
}

async function finish(triggers: readonly Trigger[], invoker: Invoker, log: HostLog): Promise<void> {
  const stopped = Promise.all(triggers.map((trigger) => trigger.stop?.()));
  const drained = await invoker.drain(drainTimeoutMs);
  await stopped;
  if (!drained)
    log.write('Host.Startup', 'warning', `Some invocations did not end within ${drainTimeoutMs} ms`);
  const { lifetimeHookData, appHookData } = workerApp;
  await runHooks(workerApp.hooks.appTerminate, { hookData: lifetimeHookData, appHookData });
}

/** Gives each function that is not disabled to its kind of trigger; `factories` are by binding type in lower case. */
function assignTriggers(
  loaded: readonly AppFunction[],
  factories: Readonly<Record<string, TriggerFactory>>,
  parts: TriggerParts,
) {
  const byType = new Map<string, Trigger>();
  const hosted: HostedFunction[] = [];
  for (const fn of loaded) {
    const type = fn.trigger.type.toLowerCase();
    const factory = Object.hasOwn(factories, type) ? factories[type] : undefined;
    if (!factory)
      throw new HostError(
        `function "${fn.name}": the local host does not run triggers of the type "${fn.trigger.type}"; it runs ${Object.keys(factories).join(', ')}`,
      );
    const trigger = byType.get(type) ?? factory(parts);
    byType.set(type, trigger);
    if (fn.metadata.retryOptions) {
      parts.log.write(
        'Host.Startup',
        'warning',
        `Function '${fn.name}': the local host does not run retry policies`,
      );
    }
    if (fn.disabled) {
      parts.log.write('Host.Startup', 'information', `Function '${fn.name}' is disabled`);
      continue;
    }
    trigger.add(fn);
    hosted.push({ fn, trigger });
  }
  return { triggers: [...byType.values()], hosted };
}

type Answerer = ((exchange: Exchange) => Promise<void> | undefined) | undefined;

/** The first that takes the request answers it; nobody's request is the home page or 404. */
async function answer(exchange: Exchange, answerers: readonly Answerer[], log: HostLog): Promise<void> {
  const { path, response } = exchange;
  try {
    for (const answerer of answerers) {
      const answered = answerer?.(exchange);
      if (answered) return await answered;
    }
    if (path === '/') send(response, 200, 'Your Azure Function App is up and running.');
    else send(response, 404);
  } catch (error) {
    log.write('Host.Http', 'error', `${exchange.method} ${path}: ${describeError(error)}`);
    if (response.headersSent) response.destroy();
    else send(response, 500);
  }
}

function describeHost(hosted: readonly HostedFunction[], url: string): string[] {
  const lines = hosted.map(({ fn, trigger }) => `\t${fn.name}: ${trigger.describe(fn, url)}`);
  return [
    '',
    'Functions:',
    '',
    ...(lines.length > 0 ? lines : ['\tnone']),
    '',
    `Host is listening on ${url}`,
  ];
}
