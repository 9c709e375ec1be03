import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { systemClock } from '../src/shared/clock.ts';
import { SluiceError } from '../src/shared/error.ts';

/** A program of this project that serves something, in a process of its own. */
export interface RunningChild {
  /** Where it serves, as it said when it was ready. */
  readonly url: string;
  readonly process: ChildProcess;
  /** Resolves with the exit code, or null after a signal. */
  readonly exited: Promise<number | null>;
  /** Ends it as the platform does: it finishes what is under way. */
  stop(): Promise<void>;
  /** Ends it as a crash does. */
  kill(): Promise<void>;
}

/** What a child is started with. */
export interface ChildOptions {
  /** From the root of the project. It sends `{ url }` over its IPC channel when it is ready. */
  readonly script: string;
  readonly args?: readonly string[];
  /** Beside the variables of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** A module to load before the script. */
  readonly preload?: string;
  /** Takes what it prints, a line at a time, once it is ready; what it prints before then comes first. */
  readonly print: (line: string) => void;
}

const readyMessage = z.object({ url: z.string() });
const startTimeoutMs = 60_000;
/**
 * Of what it prints before it is ready, the last lines are shown when it never is: enough for a configuration with
 * hundreds of things wrong, which is read from its top.
 */
const shownLinesMax = 1_000;

/** @throws {SluiceError} with what it printed, when it ends before it is ready, or is not ready within a minute. */
export async function startChild(options: ChildOptions): Promise<RunningChild> {
  const { script, args = [], env = {}, preload, print } = options;
  const child = fork(script, [...args], {
    env: { ...process.env, ...env },
    execArgv: preload === undefined ? process.execArgv : [...process.execArgv, '--import', preload],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const printed: string[] = [];
  let isReady = false;
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface(stream).on('line', (line) => {
      if (isReady) print(line);
      else printed.push(line);
    });
  }
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
  };
  const first = await nextMessage(child, startTimeoutMs);
  if ('message' in first) {
    const { url } = readyMessage.parse(first.message);
    isReady = true;
    for (const line of printed) print(line);
    return { url, process: child, exited, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
  }
  await end('SIGKILL');
  const output = printed.length === 0 ? '(nothing)' : printed.slice(-shownLinesMax).join('\n');
  throw childError(`${script} ${first.instead} before it was ready; it printed:\n${output}`);
}

/** The next message of a child; or, where it sends none, what it did instead. */
export async function nextMessage(
  child: ChildProcess,
  timeoutMs: number,
): Promise<{ readonly message: unknown } | { readonly instead: string }> {
  const over = new AbortController();
  const { signal } = over;
  try {
    return await Promise.race([
      once(child, 'message', { signal }).then(([message]) => ({ message })),
      // Not 'exit', which can come before the last of the output.
      once(child, 'close', { signal }).then(([code]) => ({ instead: `ended (exit code ${code})` })),
      systemClock.sleep(timeoutMs, signal).then(() => ({ instead: `said nothing for ${timeoutMs} ms` })),
    ]);
  } finally {
    over.abort();
  }
}

/** A child did not do what it was started for. */
export function childError(message: string): SluiceError {
  return new SluiceError({ code: 'local.child', message, retryable: false });
}
