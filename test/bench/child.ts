import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describeError, SluiceError } from '../../src/shared/error.ts';

/** A part of the comparison in a process of its own, so that it shares no event loop with another part. */
export interface Child {
  /** What it said when it was ready; empty when it serves nothing. */
  readonly url: string;
  /** Asks one question at a time. @throws {SluiceError} when answering it failed. */
  ask<Answer>(question: unknown): Promise<Answer>;
  stop(): Promise<void>;
}

export interface ChildOptions {
  /** The script, from the root of the project. It sends `{ url }` when it is ready. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A module to load before the script. */
  readonly preload?: string;
  /** Takes what it prints, a line at a time. */
  readonly print: (line: string) => void;
}

const startMsMax = 60_000;
/** Longer than any load lasts. */
const answerMsMax = 900_000;

/** @throws {SluiceError} when it ends before it is ready, or is not ready within a minute. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { script, args = [], env = {}, preload, print } = options;
  const child = fork(script, [...args], {
    env: { ...process.env, ...env },
    execArgv: preload === undefined ? process.execArgv : [...process.execArgv, '--import', preload],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface(stream).on('line', print);
  }
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  };
  const { url } = await nextMessage<{ url: string }>(child, script, startMsMax).catch(async (error) => {
    await stop();
    throw error;
  });
  return {
    url,
    stop,
    ask: async <Answer>(question: unknown) => {
      const said = nextMessage<Reply<Answer>>(child, script, answerMsMax);
      child.send({ question });
      const reply = await said;
      if ('failure' in reply) throw failed(reply.failure);
      return reply.answer;
    },
  };
}

/** In a child: tells the parent that it is ready, and ends with the parent. */
export function reportReady(url: string): void {
  process.once('disconnect', () => process.exit());
  process.send?.({ url });
}

/** In a child: answers what the parent asks. */
export function answerQuestions<Question, Answer>(answer: (question: Question) => Promise<Answer>): void {
  process.on('message', async ({ question }: { question: Question }) => {
    const reply: Reply<Answer> = await answer(question).then(
      (given) => ({ answer: given }),
      (error: unknown) => ({ failure: describeError(error) }),
    );
    process.send?.(reply);
  });
}

type Reply<Answer> = { readonly answer: Answer } | { readonly failure: string };

async function nextMessage<Message>(child: ChildProcess, script: string, msMax: number): Promise<Message> {
  const ended = new AbortController();
  const late = AbortSignal.timeout(msMax);
  const signal = AbortSignal.any([ended.signal, late]);
  try {
    const message = once(child, 'message', { signal }).then(([sent]) => sent as Message);
    const exit = once(child, 'exit', { signal }).then(([code]) => {
      throw failed(`${script} ended (exit code ${code}) where an answer was expected; its output says why`);
    });
    return await Promise.race([message, exit]);
  } catch (error) {
    throw late.aborted ? failed(`${script} said nothing for ${msMax} ms`) : error;
  } finally {
    ended.abort();
  }
}

function failed(message: string): SluiceError {
  return new SluiceError({ code: 'bench.child', message, retryable: false });
}
