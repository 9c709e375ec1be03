import { connect } from 'node:net';

/** An answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** A request as bytes: what `fetch` would refuse to send goes out all the same. */
export interface RawRequest {
  readonly path: string;
  /** Written as Latin-1. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
}

/** A well-framed POST request, after which the connection is to be closed. */
export function encodeRequest({ path, headers, body }: RawRequest): Buffer {
  const framing = [
    ['host', 'localhost'],
    ['connection', 'close'],
    ['content-length', body.byteLength],
  ];
  const lines = [...framing, ...headers].map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'), body]);
}

/**
 * Sends bytes over a connection of their own and gives the answers until the other side closes it, or says nothing
 * for `idleMs`.
 *
 * @throws when what came is no HTTP.
 */
export async function exchangeRaw(url: string, bytes: Uint8Array, idleMs: number): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(url);
  const chunks: Buffer[] = [];
  const socket = connect({ host: hostname, port: Number(port) }, () => socket.write(bytes));
  socket.setTimeout(idleMs, () => socket.destroy());
  socket.on('data', (chunk) => chunks.push(chunk));
  // A server that refuses a request may reset the connection; what it said before that counts.
  socket.on('error', () => socket.destroy());
  await new Promise((resolve) => socket.once('close', resolve));
  return readAnswers(Buffer.concat(chunks));
}

function readAnswers(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const headEnd = rest.indexOf('\r\n\r\n');
    if (headEnd < 0) throw new Error(`no head of an answer: ${rest.toString('latin1')}`);
    const [statusLine = '', ...lines] = rest.toString('latin1', 0, headEnd).split('\r\n');
    const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(statusLine) ?? [];
    if (status === undefined) throw new Error(`no status line: ${statusLine}`);
    const headers = new Map(
      lines.map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const { body, end } = headers.has('transfer-encoding')
      ? readChunks(rest, headEnd + 4)
      : readLength(rest, headEnd + 4, Number(headers.get('content-length') ?? 0));
    answers.push({ status: Number(status), headers, body });
    rest = rest.subarray(end);
  }
  return answers;
}

/** A body, and where it ends. */
interface Body {
  readonly body: string;
  readonly end: number;
}

function readLength(bytes: Buffer, start: number, length: number): Body {
  return { body: bytes.toString('utf8', start, start + length), end: start + length };
}

/** A body in chunks (RFC 9112, section 7.1), without trailers. */
function readChunks(bytes: Buffer, start: number): Body {
  const chunks: Buffer[] = [];
  let at = start;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    const length = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (lineEnd < 0 || Number.isNaN(length)) throw new Error(`no chunk: ${bytes.toString('latin1', at)}`);
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + length));
    at = lineEnd + 2 + length + 2;
    if (length === 0) return { body: Buffer.concat(chunks).toString('utf8'), end: at };
  }
}
