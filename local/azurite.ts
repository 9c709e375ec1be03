import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { SluiceError } from '../src/shared/error.ts';

/** One of Azurite's services, running in a process of its own. */
export interface RunningAzurite {
  /**
   * For the storage clients; it names the endpoint of this service only. It is plain HTTP, so clients of tables need
   * `allowInsecureConnection`.
   */
  readonly connectionString: string;
  readonly port: number;
  readonly pid: number;
  /** Ends the service and waits until what it holds is on disk. */
  stop(): Promise<void>;
  /** Ends the process at once, as a power cut would: the last seconds' writes may be lost. */
  kill(): Promise<void>;
}

/** Where a service listens and keeps its data. */
export interface AzuriteOptions {
  /** Folder the data is kept in, made if need be. Without one the data lives in memory only. */
  readonly dir?: string;
  /** Port on 127.0.0.1; 0 takes a free one. */
  readonly port: number;
}

/** Tables and queues of one storage account. */
export interface RunningStorage {
  /** Names the endpoints of both. */
  readonly connectionString: string;
  readonly tables: RunningAzurite;
  readonly queues: RunningAzurite;
  /** Ends both services and waits until what they hold is on disk. */
  stop(): Promise<void>;
}

/** Azurite did not start, or did not stop. */
export class AzuriteError extends SluiceError {
  constructor(message: string) {
    super({ code: 'local.azurite', message, retryable: false });
  }
}

/** How Azurite calls one of its services. */
interface AzuriteService {
  readonly bin: string;
  readonly hostOption: string;
  readonly portOption: string;
  readonly endpointKey: string;
}

const tableService: AzuriteService = {
  bin: 'azurite-table',
  hostOption: '--tableHost',
  portOption: '--tablePort',
  endpointKey: 'TableEndpoint',
};

const queueService: AzuriteService = {
  bin: 'azurite-queue',
  hostOption: '--queueHost',
  portOption: '--queuePort',
  endpointKey: 'QueueEndpoint',
};

// The account every storage emulator has; its key is public.
// https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key
const account = 'devstoreaccount1';
const accountKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

const host = '127.0.0.1';
const startTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;
const freePortAttemptsMax = 5;
const outputCharsMax = 8_192;
// The services word it differently.
const listeningText = /successfully (started|listens) on/;

/**
 * Loaded into the child ahead of Azurite. The channel to the parent closes when the parent says so and also when
 * the parent dies, however it dies; SIGINT is the signal on which Azurite writes its data out (SIGTERM is not).
 */
const endWithParent = `data:text/javascript,process.once('disconnect', () => process.kill(process.pid, 'SIGINT'))`;

/**
 * Starts Azurite's Table service and resolves when it listens.
 *
 * @throws {AzuriteError} with what the process printed, when it ended or did not listen within 30 s.
 */
export function startAzuriteTables(options: AzuriteOptions): Promise<RunningAzurite> {
  return startService(tableService, options);
}

/** Starts Azurite's Queue service, like {@link startAzuriteTables}. */
export function startAzuriteQueues(options: AzuriteOptions): Promise<RunningAzurite> {
  return startService(queueService, options);
}

/**
 * Starts both services for one account; each keeps its data in a folder of its own below `dir`, `tables` and
 * `queues`. When one does not start, the other is stopped again.
 *
 * @throws {AzuriteError} as the services do.
 */
export async function startAzurite(options: {
  readonly dir?: string;
  readonly ports: { readonly tables: number; readonly queues: number };
}): Promise<RunningStorage> {
  const { dir, ports } = options;
  const kept = (name: string) => (dir === undefined ? {} : { dir: join(dir, name) });
  await using parts = new AsyncDisposableStack();
  const start = async (starting: Promise<RunningAzurite>) =>
    parts.adopt(await starting, (service) => service.stop());
  const [tables, queues] = await Promise.allSettled([
    start(startAzuriteTables({ ...kept('tables'), port: ports.tables })),
    start(startAzuriteQueues({ ...kept('queues'), port: ports.queues })),
  ]);
  if (tables.status === 'rejected') throw tables.reason;
  if (queues.status === 'rejected') throw queues.reason;
  const running = parts.move();
  return {
    connectionString: connectionStringOf([
      endpoint(tableService, tables.value.port),
      endpoint(queueService, queues.value.port),
    ]),
    tables: tables.value,
    queues: queues.value,
    stop: () => running.disposeAsync(),
  };
}

function connectionStringOf(endpoints: readonly string[]): string {
  return [
    'DefaultEndpointsProtocol=http',
    `AccountName=${account}`,
    `AccountKey=${accountKey}`,
    ...endpoints,
    '',
  ].join(';');
}

function endpoint(service: AzuriteService, port: number): string {
  return `${service.endpointKey}=http://${host}:${port}/${account}`;
}

async function startService(service: AzuriteService, options: AzuriteOptions): Promise<RunningAzurite> {
  const { dir, port } = options;
  if (dir !== undefined) await mkdir(dir, { recursive: true });
  if (port !== 0) return startOnPort(service, port, dir);
  // Azurite never says which port it was given for 0, so one is picked here; another process may be faster.
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnPort(service, await pickFreePort(), dir);
    } catch (error) {
      const taken = error instanceof AzuriteError && error.message.includes('EADDRINUSE');
      if (!taken || attempt === freePortAttemptsMax) throw error;
    }
  }
}

async function startOnPort(
  service: AzuriteService,
  port: number,
  dir: string | undefined,
): Promise<RunningAzurite> {
  const args = [
    ...[service.hostOption, host, service.portOption, String(port)],
    ...['--silent', '--skipApiVersionCheck', '--disableTelemetry'],
    ...(dir === undefined ? ['--inMemoryPersistence'] : ['--location', dir]),
  ];
  const child = fork(findBin(service), args, {
    execArgv: ['--import', endWithParent],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // In a process group of its own, Ctrl-C reaches it only through the parent, after those who still write to it.
    detached: true,
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await untilListening(child, service);
  const { pid } = child;
  if (pid === undefined) throw new AzuriteError(`${service.bin} has no process`);
  return {
    connectionString: connectionStringOf([endpoint(service, port)]),
    port,
    pid,
    stop: () => stopChild(child, exited, service),
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Resolves when the child says that it listens; otherwise ends it and throws what it printed. */
function untilListening(child: ChildProcess, service: AzuriteService): Promise<void> {
  let output = '';
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new AzuriteError(`${service.bin} ${why}; it printed:\n${output.trim() || '(nothing)'}`));
    };
    const timer = setTimeout(() => fail(`did not listen within ${startTimeoutMs} ms`), startTimeoutMs);
    const onOutput = (text: string) => {
      output = (output + text).slice(-outputCharsMax);
      if (!listeningText.test(output)) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.setEncoding('utf8').on('data', onOutput);
    child.stderr?.setEncoding('utf8').on('data', onOutput);
    child.on('error', (error) => fail(`could not be started (${error.message})`));
    // Not 'exit', which can come before the last of the output.
    child.once('close', (code) => fail(`ended with exit code ${code} before it listened`));
  });
}

async function stopChild(child: ChildProcess, exited: Promise<void>, service: AzuriteService): Promise<void> {
  if (child.connected) child.disconnect();
  let overdue = false;
  const timer = setTimeout(() => {
    overdue = true;
    child.kill('SIGKILL');
  }, stopTimeoutMs);
  await exited;
  clearTimeout(timer);
  if (overdue) throw new AzuriteError(`${service.bin} did not end within ${stopTimeoutMs} ms and was killed`);
}

function findBin(service: AzuriteService): string {
  const require = createRequire(import.meta.url);
  const packagePath = require.resolve('azurite/package.json');
  const { bin } = require(packagePath) as { bin: Readonly<Record<string, string>> };
  const path = bin[service.bin];
  if (path === undefined) throw new AzuriteError(`the installed azurite has no ${service.bin}`);
  return join(dirname(packagePath), path);
}

async function pickFreePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, host), 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
