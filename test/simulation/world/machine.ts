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

/** Compression runs on threads, whose order nobody controls; the stores only need what they wrote back. */
const stored = (content: string | Uint8Array, callback: Callback) => callback(null, Buffer.from(content));
Object.assign(zlib, { gzip: stored, gunzip: stored });
syncBuiltinESMExports();

const realDate = Date;
const stackFramesMax = 3;

/**
 * Runs `work` without the machine. Who reaches for it gets an error, and is told of by the list that comes back.
 *
 * @param nowMs what a date made of nothing shows.
 */
export async function withoutMachine(
  nowMs: () => number,
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
    static override now = () => (isOfPackage(new Error().stack) ? nowMs() : forbid('Date.now')());
  }
  const restore = [
    replace(globalThis, 'Date', SimulatedDate),
    // Errors are part of the weather here; long stack traces would take a good part of the time.
    replace(Error, 'stackTraceLimit', stackFramesMax),
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
function isOfPackage(stack = ''): boolean {
  return stack.split('\n')[2]?.includes('/node_modules/') ?? false;
}

function replace(owner: object, name: string, value: unknown): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { value, configurable: true, writable: true });
  return () => {
    if (descriptor === undefined) Reflect.deleteProperty(owner, name);
    else Object.defineProperty(owner, name, descriptor);
  };
}
