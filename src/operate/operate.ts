import type { z } from 'zod';
import { type Answer, jsonAnswer, problemAnswer } from '../shared/answer.ts';
import { describeError, SluiceError } from '../shared/error.ts';
import { parseJson } from '../shared/json.ts';
import { schemaWords } from '../shared/schema-words.ts';
import { discardDeadLetters, getDeadLetter, listDeadLetters, redriveDeadLetters } from './dead-letters.ts';
import { pause, resume } from './endpoint-control.ts';
import type { OperateOptions } from './ports.ts';
import { OperateError, problem } from './problem.ts';
import { replay } from './replay.ts';
import {
  discardRequest,
  getDeadLetterRequest,
  listDeadLettersRequest,
  pauseRequest,
  redriveRequest,
  replayRequest,
  resumeRequest,
  seekRequest,
  statusRequest,
  testEventRequest,
} from './requests.ts';
import { seek } from './seek.ts';
import { readStatus } from './status.ts';
import { testEvent } from './test-event.ts';

/** What a request brought: the query's parameters, or the body where there is one. */
export interface OperateRequest {
  readonly query: Readonly<Record<string, string>>;
  /** Empty for a GET. */
  readonly body: string;
}

type Operation = (options: OperateOptions, input: unknown) => Promise<unknown>;

const operations = {
  status: operation(statusRequest, readStatus),
  pause: operation(pauseRequest, pause),
  resume: operation(resumeRequest, resume),
  seek: operation(seekRequest, seek),
  listDeadLetters: operation(listDeadLettersRequest, listDeadLetters),
  getDeadLetter: operation(getDeadLetterRequest, getDeadLetter),
  redriveDeadLetters: operation(redriveRequest, redriveDeadLetters),
  discardDeadLetters: operation(discardRequest, discardDeadLetters),
  replay: operation(replayRequest, replay),
  testEvent: operation(testEventRequest, testEvent),
} satisfies Record<string, Operation>;

/** What an operator can ask for. */
export type OperationName = keyof typeof operations;

/**
 * Carries out an operation and answers as JSON: 200 with what came of it, or a problem document (RFC 9457) that says
 * what would be right. An operation whose attempts failed (a test event, a redrive) is carried out all the same: 200.
 */
export async function operate(
  options: () => Promise<OperateOptions>,
  name: OperationName,
  request: OperateRequest,
): Promise<Answer> {
  try {
    // The platform takes its key in the query too.
    const { code: _, ...query } = request.query;
    const input = request.body === '' ? query : parseBody(request.body);
    return jsonAnswer(200, await operations[name](await options(), input));
  } catch (error) {
    if (error instanceof OperateError) {
      const { kind, message, places } = error;
      return problemAnswer({ ...problem(kind, message), ...(places && { errors: places }) });
    }
    // The log and the stores throw these; anything else is a defect, and the host's to report.
    if (error instanceof SluiceError) return problemAnswer(problem('unavailable', describeError(error)));
    throw error;
  }
}

function operation<Schema extends z.ZodType>(
  schema: Schema,
  run: (options: OperateOptions, input: z.output<Schema>) => Promise<unknown>,
): Operation {
  return (options, input) => {
    const parsed = schema.safeParse(input, { error: schemaWords });
    if (parsed.success) return run(options, parsed.data);
    const places = parsed.error.issues.map(({ path, message }) => ({
      path: path.join('.') || '(request)',
      message,
    }));
    const detail = places.map(({ path, message }) => `${path}: ${message}`).join('; ');
    throw new OperateError('invalid-request', detail, places);
  };
}

function parseBody(body: string): unknown {
  try {
    return parseJson(body);
  } catch (error) {
    throw new OperateError('invalid-request', `the body must be a JSON object: ${describeError(error)}`);
  }
}
