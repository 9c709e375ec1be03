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
 */
export function exchangeRaw(url: string, bytes: Uint8Array, idleMs: number): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.write(bytes));
    socket.setTimeout(idleMs, () => socket.destroy());
    socket.on('data', (chunk) => chunks.push(chunk));
    // A server that refuses a request may reset the connection; what it said before that counts.
    socket.on('error', () => socket.destroy());
    socket.once('close', () => resolve(readAnswers(Buffer.concat(chunks))));
  });
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
    const bodyEnd = headEnd + 4 + Number(headers.get('content-length') ?? 0);
    answers.push({ status: Number(status), headers, body: rest.toString('utf8', headEnd + 4, bodyEnd) });
    rest = rest.subarray(bodyEnd);
  }
  return answers;
}
