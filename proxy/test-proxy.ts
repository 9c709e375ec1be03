import { createManualClock, type ManualClock } from '../test/support/manual-clock.ts';
import { openLog, type TopicLog } from './log.ts';
import { type ProxyOptions, startProxy } from './server.ts';

/** An answer as a test looks at it. */
export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body's JSON, or `undefined` when there is none. */
  readonly json: unknown;
}

/** A proxy for one test, over a log in memory and a clock driven by hand, closed when its scope ends. */
export interface TestProxy extends AsyncDisposable {
  readonly url: string;
  readonly log: TopicLog;
  readonly clock: ManualClock;
  /** `body` is sent as it is when it is a string or bytes, else as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<TestAnswer>;
  close(): Promise<void>;
}

/** Starts a proxy on a free port, its log in memory unless told otherwise. */
export async function openTestProxy(options: Partial<ProxyOptions> = {}): Promise<TestProxy> {
  const clock = createManualClock();
  const log = openLog({ path: ':memory:', clock });
  const proxy = await startProxy({ log, clock, port: 0, ...options });
  const close = async () => {
    await proxy.close();
    log.close();
  };
  return {
    url: proxy.url,
    log,
    clock,
    call: async (method, path, body, headers = {}) => {
      const sent = body === undefined ? {} : { body: isRaw(body) ? body : JSON.stringify(body) };
      const response = await fetch(`${proxy.url}${path}`, { method, headers, ...sent });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        text,
        json: text === '' ? undefined : JSON.parse(text),
      };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function isRaw(body: unknown): body is string | Uint8Array<ArrayBuffer> {
  return typeof body === 'string' || body instanceof Uint8Array;
}
