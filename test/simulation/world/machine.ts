import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import zlib from 'node:zlib';

/**
 * Keeps the machine out of a run: its clock, its chance, its timers, its network, its threads. To be imported before
 * the code that is simulated.
 */

/** What of the machine somebody reached for in spite of that. */
export interface Reached {
  readonly what: string;
}

type Callback = (error: null, bytes: Buffer) => void;

/**
 * What is compressed grows so many times. So the limits of Table Storage are met by content of which the rest of the
 * world can carry much in little time.
 */
export const growth = 16;

/** Compression runs on threads, whose order nobody controls; the stores only need what they wrote back. */
function grow(content: string | Uint8Array, callback: Callback): void {
  const bytes = Buffer.from(content);
  const grown = Buffer.alloc(bytes.length * growth);
  bytes.copy(grown);
  callback(null, grown);
}

function shrink(grown: Uint8Array, callback: Callback): void {
  callback(null, contentOf([grown]));
}

Object.assign(zlib, { gzip: grow, gunzip: shrink });
syncBuiltinESMExports();

/** The text of which `chunks`, one after the other, are the compressed form. */
export function plainTextOf(chunks: readonly Uint8Array[]): string {
  return contentOf(chunks).toString('utf8');
}

function contentOf(chunks: readonly Uint8Array[]): Buffer {
  const grownBytes = chunks.reduce((sum, { length }) => sum + length, 0);
  return Buffer.concat(chunks, Math.floor(grownBytes / growth));
}

const realDate = Date;

/**
 * Runs `work` without the machine. Who reaches for it gets an error, and is told of by the list that comes back.
 *
 * @param nowMs what a date made of nothing shows.
 * @param stackFrames of errors. They are part of the weather here, and where nobody reads their stacks these cost most.
 */
export async function withoutMachine(
  nowMs: () => number,
  stackFrames: number,
  work: () => Promise<void>,
): Promise<readonly Reached[]> {
  const reached: Reached[] = [];
  const forbid = (what: string) => (): never => {
    reached.push({ what });
    throw new Error(`${what} is the machine's`);
  };
  class SimulatedDate extends realDate {
    constructor(...parts: unknown[]) {
      if (parts.length === 0) super(nowMs());
      else super(...(parts as [number]));
    }
    static override now = () => (isForPackage() ? nowMs() : forbid('Date.now')());
  }
  const restore = [
    replace(globalThis, 'Date', SimulatedDate),
    replace(Error, 'stackTraceLimit', stackFrames),
    replace(Math, 'random', forbid('Math.random')),
    replace(performance, 'now', forbid('performance.now')),
    replace(AbortSignal, 'timeout', forbid('AbortSignal.timeout')),
    ...(['setTimeout', 'setInterval', 'setImmediate', 'fetch'] as const).map((name) =>
      replace(globalThis, name, forbid(name)),
    ),
    ...(['randomUUID', 'randomBytes', 'randomInt'] as const).map((name) =>
      replace(crypto, name, forbid(`crypto.${name}`)),
    ),
    replace(globalThis.crypto, 'randomUUID', forbid('crypto.randomUUID')),
    replace(globalThis.crypto, 'getRandomValues', forbid('crypto.getRandomValues')),
  ];
  syncBuiltinESMExports();
  try {
    await work();
  } finally {
    for (const put of restore) put();
    syncBuiltinESMExports();
  }
  return reached;
}

/** Whether a package asks, and not the code that is simulated: jsonata looks at the time to limit its own. */
function isForPackage(): boolean {
  const { stackTraceLimit } = Error;
  // This function, `now` and who called it.
  Error.stackTraceLimit = 3;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return stack.split('\n')[3]?.includes('/node_modules/') ?? false;
}

function replace(owner: object, name: string, value: unknown): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { value, configurable: true, writable: true });
  return () => {
    if (descriptor === undefined) Reflect.deleteProperty(owner, name);
    else Object.defineProperty(owner, name, descriptor);
  };
}
