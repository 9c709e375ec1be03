import { type AcceptOptions, acceptEvents } from './accept.ts';
import { type Answer, answerFor, problemAnswer } from './answer.ts';
import { problem } from './problem.ts';
import { readEvent } from './request.ts';

/** A request as it came in. */
export interface IncomingRequest {
  /** The source named in the URL, if any. */
  readonly sourceName: string | undefined;
  readonly contentType: string | undefined;
  /** True when the request carries `ce-specversion`. */
  readonly binaryMode: boolean;
  readonly body: Uint8Array;
}

/** What receiving needs. */
export interface ReceiveOptions extends AcceptOptions {
  readonly sources: Readonly<Record<string, { readonly type: string }>>;
  readonly limits: { readonly bodyBytesMax: number; readonly retryAfterSeconds: number };
  readonly newId: () => string;
  readonly now: () => number;
}

/** Takes in the event of an HTTP request. The answer is 202 only after the log has confirmed its record. */
export async function receiveEvent(options: ReceiveOptions, request: IncomingRequest): Promise<Answer> {
  const { sources, limits } = options;
  const { sourceName } = request;
  if (request.body.byteLength > limits.bodyBytesMax) {
    const detail = `${request.body.byteLength} bytes; at most ${limits.bodyBytesMax} are taken (limits.bodyBytesMax)`;
    return problemAnswer(problem('body-too-large', detail));
  }
  const source =
    sourceName !== undefined && Object.hasOwn(sources, sourceName) ? sources[sourceName] : undefined;
  if (sourceName !== undefined && source === undefined) {
    return problemAnswer(problem('unknown-source', `"${sourceName}" is not among the configured sources`));
  }
  const body = decodeUtf8(request.body);
  if (body === undefined) return problemAnswer(problem('malformed-body', 'the body is not UTF-8'));

  const named =
    sourceName !== undefined && source !== undefined ? { name: sourceName, type: source.type } : undefined;
  const read = readEvent({ ...request, body, source: named }, { id: options.newId(), nowMs: options.now() });
  if ('problem' in read) return problemAnswer(read.problem);
  const [outcome] = await acceptEvents(options, [read.event], sourceName);
  return answerFor(read.event, outcome ?? { kind: 'unrouted' }, limits.retryAfterSeconds);
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
