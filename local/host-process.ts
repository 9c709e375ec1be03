import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { SluiceError } from '../src/shared/error.ts';

/** The Functions host in a process of its own, as it runs in Azure. */
export interface HostProcess {
  /** `http://localhost:PORT` */
  readonly url: string;
  /** Resolves with the exit code, or null after a signal. */
  readonly exited: Promise<number | null>;
  /** Ends it as the platform does: it finishes what is under way. */
  stop(): Promise<void>;
  /** Ends it as a crash does. */
  kill(): Promise<void>;
}

/** What a host process is started with. */
export interface HostProcessOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Where keys and timer status are kept. */
  readonly stateDir: string;
  /** App settings; they win over local.settings.json. */
  readonly settings: Readonly<Record<string, string>>;
  /** A PEM file of a certificate to trust beside the public ones. */
  readonly certPath: string;
  readonly enableAuth?: boolean;
  readonly print: (line: string) => void;
}

const readyMessage = z.object({ ready: z.literal(true), url: z.string() });
const startTimeoutMs = 60_000;

/**
 * Starts the host on the built app in the current folder.
 *
 * @throws {SluiceError} when it ends before it is ready, or is not ready in time.
 */
export async function startHostProcess(options: HostProcessOptions): Promise<HostProcess> {
  const flags = ['--port', String(options.port), '--state', options.stateDir];
  const child = fork(
    'local/functions-host/main.ts',
    options.enableAuth ? [...flags, '--enable-auth'] : flags,
    {
      env: { ...process.env, ...options.settings, NODE_EXTRA_CA_CERTS: options.certPath },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    },
  );
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface(stream).on('line', options.print);
  }
  try {
    const url = await ready(child);
    return {
      url,
      exited,
      stop: () => end(child, exited, 'SIGTERM'),
      kill: () => end(child, exited, 'SIGKILL'),
    };
  } catch (error) {
    await end(child, exited, 'SIGKILL');
    throw error;
  }
}

async function ready(child: ChildProcess): Promise<string> {
  const ended = new AbortController();
  const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(startTimeoutMs)]);
  try {
    const message = once(child, 'message', { signal }).then(([sent]) => readyMessage.parse(sent).url);
    const exit = once(child, 'exit', { signal }).then(([code]) => {
      const text = `the Functions host ended (exit code ${code}) before it was ready; its output says why`;
      throw new SluiceError({ code: 'local.host', message: text, retryable: false });
    });
    return await Promise.race([message, exit]);
  } finally {
    ended.abort();
  }
}

async function end(
  child: ChildProcess,
  exited: Promise<unknown>,
  signal: 'SIGTERM' | 'SIGKILL',
): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  await exited;
}
