import { SluiceError } from '../../../src/shared/error.ts';

/** Takes what arrives on a connection, in pieces of any size. */
export type TakeChunk = (chunk: Buffer) => void;

/**
 * Reads the answers of a keep-alive connection with one request under way at a time, as far as counting them needs
 * (RFC 9112): status and a body by `content-length`. Far cheaper than a whole HTTP client, which would take the
 * processor away from what is measured.
 *
 * @throws {SluiceError} from the returned function, when what arrives is no such answer.
 */
export function createAnswerReader(onAnswer: (status: number, body: Buffer) => void): TakeChunk {
  let pending: Buffer | undefined;
  return (chunk) => {
    const bytes = pending === undefined ? chunk : Buffer.concat([pending, chunk]);
    pending = bytes;
    const headEnd = bytes.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const head = bytes.toString('latin1', 0, headEnd);
    const [, status] = /^HTTP\/1\.1 (\d{3})/.exec(head) ?? [];
    const [, length] = /\r\ncontent-length: *(\d+)/i.exec(head) ?? [];
    if (status === undefined || length === undefined) throw unreadable(head);
    const bodyStart = headEnd + 4;
    const end = bodyStart + Number(length);
    if (bytes.length < end) return;
    if (bytes.length > end) throw unreadable(bytes.toString('latin1', end));
    pending = undefined;
    onAnswer(Number(status), bytes.subarray(bodyStart, end));
  };
}

function unreadable(text: string): SluiceError {
  return new SluiceError({
    code: 'bench.answer',
    message: `expected one HTTP/1.1 answer with a content-length, got: ${text.slice(0, 200)}`,
    retryable: false,
  });
}
