import { createServer } from 'node:http';
import { type LoopbackServer, listenOnLoopback } from '../../../local/loopback.ts';
import { readBody } from '../http-body.ts';
import type { Tally } from '../tally.ts';

/** What has come to one path since {@link Sink.begin}. */
export interface Arrivals {
  /** Each record once, however often it came. */
  readonly distinct: Tally;
  /** Arrivals of records that had come before. */
  readonly repeated: number;
  readonly phase: 'waiting' | 'warming up' | 'measuring' | 'measured';
  /** Records that came while it was measured, and how long that was; nothing before it is `measured`. */
  readonly measured: { readonly records: number; readonly ms: number };
}

/** What is measured at a path, from its first arrival on. */
export interface Window {
  readonly path: string;
  readonly warmUpMs: number;
  /** It ends after this, or when `records` have come. */
  readonly measureMs: number;
  readonly records: number;
}

/** Answers 200 to all that comes to `/MS/anything`, after so many milliseconds, and counts the records in it. */
export interface Sink extends LoopbackServer {
  /** Counts a path from zero. */
  begin(window: Window): void;
  look(path: string): Arrivals;
  /** From now on answers at once whatever comes to this path. */
  hurry(path: string): void;
}

/** Numbers of records beyond this are refused; a bit is kept for each. */
const numbersMax = 16_777_216;

/** Starts a sink: as little as node:http lets a receiver be. */
export async function startSink(): Promise<Sink> {
  const counters = new Map<string, ReturnType<typeof createCounter>>();
  const server = createServer((request, response) => {
    const counter = counters.get(request.url ?? '');
    const take = (body: Buffer) => {
      const taken = counter?.take(body) ?? false;
      const answer = () => response.writeHead(taken ? 200 : 400, { 'content-length': 0 }).end();
      const answerMs = counter?.answerMs() ?? 0;
      if (answerMs === 0) answer();
      else setTimeout(answer, answerMs);
    };
    // A sender that breaks off waits for no answer.
    readBody(request).then(take, () => response.destroy());
  });
  const counterOf = (path: string) => {
    const counter = counters.get(path);
    if (counter === undefined) throw new RangeError(`nothing is counted at ${path}`);
    return counter;
  };
  return {
    ...(await listenOnLoopback(server, { host: '127.0.0.1', port: 0 })),
    begin: (window) => {
      counters.set(window.path, createCounter(window));
    },
    look: (path) => counterOf(path).look(),
    hurry: (path) => counterOf(path).hurry(),
  };
}

function createCounter({ path, warmUpMs, measureMs, records }: Window) {
  const seen = new Uint8Array(numbersMax / 8);
  const distinct = { events: 0, idSum: 0 };
  let repeated = 0;
  let answerMs = Number(path.split('/')[1]);
  let first: Moment | undefined;
  let begun: Moment | undefined;
  let ended: Moment | undefined;

  const count = (number: number) => {
    const bit = 1 << (number & 7);
    if (((seen[number >> 3] ?? 0) & bit) !== 0) {
      repeated += 1;
      return;
    }
    seen[number >> 3] = (seen[number >> 3] ?? 0) | bit;
    distinct.events += 1;
    distinct.idSum += number;
  };
  /** A window opens and closes with an arrival, so that no wait for one is counted half. */
  const mark = () => {
    const moment = { ms: performance.now(), records: distinct.events };
    first ??= moment;
    if (ended !== undefined) return;
    if (begun === undefined && moment.ms >= first.ms + warmUpMs) begun = moment;
    const isOver = begun !== undefined && moment.ms >= begun.ms + measureMs;
    if (isOver || moment.records >= records) ended = moment;
  };
  return {
    answerMs: () => answerMs,
    hurry: () => {
      answerMs = 0;
    },
    /** False for a body without records. */
    take: (body: Buffer): boolean => {
      const numbers = numbersIn(body);
      for (const number of numbers) count(number);
      mark();
      return numbers.length > 0;
    },
    look: (): Arrivals => {
      const phase = ended ? 'measured' : begun ? 'measuring' : first ? 'warming up' : 'waiting';
      // Where all came before the warm-up was over, all of it counts.
      const from = begun ?? first;
      const measured =
        from && ended
          ? { records: ended.records - from.records, ms: ended.ms - from.ms }
          : { records: 0, ms: 0 };
      return { distinct: { ...distinct }, repeated, phase, measured };
    },
  };
}

interface Moment {
  readonly ms: number;
  readonly records: number;
}

const idMarker = Buffer.from('"id":"');
const idDigits = 12;

/** The numbers of the records in a body: the ids of events, wherever they stand. */
function numbersIn(body: Buffer): number[] {
  const numbers: number[] = [];
  for (let at = body.indexOf(idMarker); at >= 0; at = body.indexOf(idMarker, at)) {
    at += idMarker.length;
    const number = Number(body.toString('latin1', at, at + idDigits));
    if (number >= 0 && number < numbersMax) numbers.push(number);
  }
  return numbers;
}
