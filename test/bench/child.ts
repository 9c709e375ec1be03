import {
  type ChildOptions,
  childError,
  nextMessage,
  type RunningChild,
  startChild as start,
} from '../../local/child-process.ts';
import { describeError } from '../../src/shared/error.ts';

/** A part of the comparison in a process of its own, so that it shares no event loop with another part. */
export interface Child extends RunningChild {
  /** Asks one question at a time. @throws {SluiceError} when answering it failed. */
  ask<Answer>(question: unknown): Promise<Answer>;
}

/** Longer than any load lasts. */
const answerTimeoutMs = 900_000;

/** @throws {SluiceError} when it ends before it is ready, or is not ready within a minute. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const running = await start(options);
  return {
    ...running,
    ask: async <Answer>(question: unknown) => {
      const said = nextMessage(running.process, answerTimeoutMs);
      running.process.send({ question });
      const answered = await said;
      if ('instead' in answered) {
        throw childError(`${options.script} ${answered.instead} where it was to answer; its output says why`);
      }
      const reply = answered.message as Reply<Answer>;
      if ('failure' in reply) throw childError(reply.failure);
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
