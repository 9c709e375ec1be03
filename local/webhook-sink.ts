import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import { readBody } from '../proxy/request-body.ts';
import { type Clock, systemClock } from '../src/shared/clock.ts';
import { describeError, SluiceError } from '../src/shared/error.ts';
import { jsonOrUndefined } from '../src/shared/json.ts';
import { listenOnLoopback } from './loopback.ts';

/** One request that the sink took in. */
export interface Delivery {
  /** Without the query. */
  readonly path: string;
  readonly method: string;
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** The `webhook-id` header, null when there is none. */
  readonly webhookId: string | null;
  readonly body: string;
  /** What was answered; null when nothing was: stalled, dropped, or the sender left while it waited. */
  readonly status: number | null;
  readonly receivedAtMs: number;
  /** `absent`: the path has secrets, the request no signature. `unchecked`: the path has no secrets. */
  readonly signature: 'valid' | 'invalid' | 'absent' | 'unchecked';
}

const statusSchema = z.int().min(200).max(599);
const answerSchema = z.union([statusSchema, z.enum(['drop', 'stall'])]);
/** A status; or no answer: the connection is closed, or kept open. */
export type SinkAnswer = z.infer<typeof answerSchema>;

const behaviourSchema = z.strictObject({
  /** Status to answer; 200 by default. */
  status: statusSchema.optional(),
  /** What the first requests are answered, one each; when it is used up, the rest of this holds. */
  script: z.array(answerSchema).max(1_000).optional(),
  /** Body to answer; empty by default. */
  body: z.string().optional(),
  /** Value of a `Retry-After` header. */
  retryAfterSeconds: z.int().min(0).optional(),
  /** How long the answer is held back. */
  latencyMs: z.int().min(0).optional(),
  /** How many requests this holds for; all by default. Afterwards the path answers 200 again. */
  times: z.int().min(1).optional(),
});

/** How a path answers. Requests with a missing or wrong signature get 401 and are not counted in `times` or `script`. */
export type SinkBehaviour = Readonly<z.infer<typeof behaviourSchema>>;

/** What a sink is started with. */
export interface WebhookSinkOptions {
  /** Port on localhost; 0 takes a free one. */
  readonly port: number;
  /** PEM texts of the private key and of a certificate for `localhost`; without them the sink speaks HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /**
   * Standard Webhooks secrets (`whsec_...`) by path; those of `*` hold for every path that has none of its own. A
   * signature made with any of a path's secrets is valid.
   */
  readonly secrets?: Readonly<Record<string, readonly string[]>>;
  readonly clock?: Clock;
}

/** A sink that listens. */
export interface RunningWebhookSink {
  /** `https://localhost:PORT`, or `http:` without TLS. */
  readonly url: string;
  /** Says how `path` answers from now on. */
  behave(path: string, behaviour: SinkBehaviour): void;
  /** The remembered deliveries (to `path`), in the order they were answered. */
  deliveries(path?: string): readonly Delivery[];
  /** How many deliveries (to `path`) were answered 2xx though their `webhook-id` had been answered 2xx before. */
  duplicates(path?: string): number;
  /**
   * Resolves with the deliveries as soon as there are as many as asked for, or they satisfy the condition.
   *
   * @throws {WebhookSinkError} after `timeoutMs` of real time.
   */
  waitFor(
    condition: number | ((deliveries: readonly Delivery[]) => boolean),
    options: { readonly timeoutMs: number; readonly path?: string },
  ): Promise<readonly Delivery[]>;
  /** Calls `listener` with each delivery just before it is answered; returns what ends that. */
  onDelivery(listener: (delivery: Delivery) => void): () => void;
  /** Forgets deliveries and duplicates; behaviours stay. */
  clear(): void;
  close(): Promise<void>;
}

/** What was waited for did not arrive in time. */
export class WebhookSinkError extends SluiceError {
  constructor(message: string) {
    super({ code: 'local.webhook-sink', message, retryable: false });
  }
}

const bodyBytesMax = 16_777_216;
/** The newest are remembered. */
const deliveriesMax = 10_000;
const rememberedIdsMax = 100_000;
/** Standard Webhooks suggests five minutes either way. */
const timestampToleranceMs = 300_000;

/**
 * Starts a receiver of webhooks that remembers what it gets on any path and answers as it is told, in process or by
 * HTTP:
 *
 * - `PUT /control/behaviour?path=/x` with a {@link SinkBehaviour} as JSON
 * - `GET /control/deliveries?path=/x` answers `{"deliveries": [...], "duplicates": n}`; without `path`, of all paths
 * - `DELETE /control/deliveries` forgets them
 *
 * A request body over 16 MiB is answered 413 and not remembered.
 */
export async function startWebhookSink(options: WebhookSinkOptions): Promise<RunningWebhookSink> {
  const { clock = systemClock } = options;
  const verify = createVerifier(options.secrets ?? {}, clock);
  const behaviours = createBehaviours();
  const log = createDeliveryLog();

  const receive = async (request: IncomingMessage, response: ServerResponse) => {
    const receivedAtMs = clock.now();
    const { pathname: path, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const sent = await readBody(request, bodyBytesMax);
    if (sent === 'broken') return;
    if (sent === 'too-large') {
      return send(response, { status: 413, body: `the body is over ${bodyBytesMax} bytes` });
    }
    const body = sent.toString('utf8');
    if (path.startsWith('/control/')) {
      const target = searchParams.get('path') ?? undefined;
      return send(response, control({ operation: `${request.method} ${path}`, path: target, body }));
    }
    const { method = '', headers } = request;
    const signature = verify(path, headers, body);
    const refused = signature === 'invalid' || signature === 'absent';
    const plan = refused ? { answer: 401, body: `webhook-signature: ${signature}` } : behaviours.take(path);
    const status = await settle(plan, response, clock);
    const webhookId = headerOf(headers, 'webhook-id');
    log.add({ path, method, headers, webhookId, body, status, receivedAtMs, signature });
    if (plan.answer === 'drop') response.destroy();
    else if (status !== null) {
      if (plan.retryAfterSeconds !== undefined) response.setHeader('retry-after', plan.retryAfterSeconds);
      send(response, { status, body: plan.body ?? '' });
    }
  };

  const control = createControl(behaviours, log);
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    receive(request, response).catch((error: unknown) =>
      send(response, { status: 500, body: describeError(error) }),
    );
  };
  const server = options.tls ? createTlsServer(options.tls, onRequest) : createServer(onRequest);
  const { url, close } = await listenOnLoopback(server, { host: 'localhost', port: options.port });
  const { deliveries, duplicates, onDelivery, clear } = log;
  return {
    url,
    behave: behaviours.set,
    deliveries,
    duplicates,
    waitFor: (condition, limits) => waitFor(log, condition, limits),
    onDelivery,
    clear,
    close,
  };
}

/** How one request is answered. */
type Plan = Omit<SinkBehaviour, 'status' | 'script' | 'times'> & { readonly answer: SinkAnswer };

/** How a path answers that was told nothing. */
const usual: Plan = { answer: 200 };

function createBehaviours() {
  const byPath = new Map<string, { readonly behaviour: SinkBehaviour; uses: number }>();
  return {
    set: (path: string, behaviour: SinkBehaviour) => {
      byPath.set(path, { behaviour, uses: 0 });
    },
    /** How the next request to `path` is answered. */
    take: (path: string): Plan => {
      const current = byPath.get(path);
      if (current === undefined) return usual;
      const { status = 200, script = [], times = Number.POSITIVE_INFINITY, ...plan } = current.behaviour;
      const use = current.uses;
      current.uses += 1;
      return use >= times ? usual : { ...plan, answer: script[use] ?? status };
    },
  };
}

type Behaviours = ReturnType<typeof createBehaviours>;

function createDeliveryLog() {
  let kept: Delivery[] = [];
  const succeeded = new Set<string>();
  const duplicatesByPath = new Map<string, number>();
  const listeners = new Set<(delivery: Delivery) => void>();

  const countIfDuplicate = ({ path, webhookId, status }: Delivery) => {
    if (webhookId === null || status === null || status > 299) return;
    const id = `${path} ${webhookId}`;
    if (succeeded.has(id)) duplicatesByPath.set(path, (duplicatesByPath.get(path) ?? 0) + 1);
    succeeded.add(id);
    const [oldest] = succeeded;
    if (succeeded.size > rememberedIdsMax && oldest !== undefined) succeeded.delete(oldest);
  };

  return {
    add: (delivery: Delivery) => {
      kept.push(delivery);
      if (kept.length > deliveriesMax) kept.shift();
      countIfDuplicate(delivery);
      for (const listener of listeners) listener(delivery);
    },
    deliveries: (path?: string): readonly Delivery[] =>
      kept.filter((delivery) => path === undefined || delivery.path === path),
    duplicates: (path?: string) => {
      if (path !== undefined) return duplicatesByPath.get(path) ?? 0;
      return duplicatesByPath.values().reduce((sum, count) => sum + count, 0);
    },
    onDelivery: (listener: (delivery: Delivery) => void) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    clear: () => {
      kept = [];
      succeeded.clear();
      duplicatesByPath.clear();
    },
  };
}

type DeliveryLog = ReturnType<typeof createDeliveryLog>;

async function waitFor(
  log: DeliveryLog,
  condition: Parameters<RunningWebhookSink['waitFor']>[0],
  { timeoutMs, path }: Parameters<RunningWebhookSink['waitFor']>[1],
): Promise<readonly Delivery[]> {
  const isMet =
    typeof condition === 'number' ? (list: readonly unknown[]) => list.length >= condition : condition;
  const waiting = Promise.withResolvers<readonly Delivery[]>();
  const check = () => {
    const deliveries = log.deliveries(path);
    try {
      if (isMet(deliveries)) waiting.resolve(deliveries);
    } catch (error) {
      waiting.reject(error);
    }
  };
  const unsubscribe = log.onDelivery(check);
  const timer = setTimeout(() => {
    const wanted = typeof condition === 'number' ? `${condition} deliveries` : 'what was waited for';
    const came = `${log.deliveries(path).length} came ${path === undefined ? 'in all' : `to ${path}`}`;
    waiting.reject(new WebhookSinkError(`${wanted} did not arrive within ${timeoutMs} ms; ${came}`));
  }, timeoutMs);
  try {
    check();
    return await waiting.promise;
  } finally {
    clearTimeout(timer);
    unsubscribe();
  }
}

/** Waits as planned and says which status is to be answered, null for none. */
async function settle(plan: Plan, response: ServerResponse, clock: Clock): Promise<number | null> {
  if (typeof plan.answer === 'string') return null;
  if (plan.latencyMs !== undefined) {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    await clock.sleep(plan.latencyMs, gone.signal).catch(() => undefined);
    if (gone.signal.aborted) return null;
  }
  return plan.answer;
}

/** Source: https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Verifying signatures". */
function createVerifier(secrets: NonNullable<WebhookSinkOptions['secrets']>, clock: Clock) {
  const signersByPath = new Map(
    Object.entries(secrets).map(([path, list]) => [path, list.map((secret) => new Webhook(secret))]),
  );
  return (path: string, headers: IncomingHttpHeaders, body: string): Delivery['signature'] => {
    const signers = signersByPath.get(path) ?? signersByPath.get('*');
    if (signers === undefined) return 'unchecked';
    const signatures = headerOf(headers, 'webhook-signature');
    if (signatures === null) return 'absent';
    const id = headerOf(headers, 'webhook-id') ?? '';
    const signedAtMs = Number(headerOf(headers, 'webhook-timestamp')) * 1000;
    // The package's own `verify` reads the machine's clock, so its `sign` is used and the time compared here.
    const timely = Math.abs(clock.now() - signedAtMs) <= timestampToleranceMs;
    if (id === '' || !timely) return 'invalid';
    const expected = signers.map((signer) => signer.sign(id, new Date(signedAtMs), body));
    return signatures.split(' ').some((signature) => expected.includes(signature)) ? 'valid' : 'invalid';
  };
}

interface Answer {
  readonly status: number;
  readonly body?: string;
  readonly contentType?: string;
}

interface ControlRequest {
  /** Method and path. */
  readonly operation: string;
  /** The query's `path`. */
  readonly path: string | undefined;
  readonly body: string;
}

function createControl(behaviours: Behaviours, log: DeliveryLog) {
  return ({ operation, path, body }: ControlRequest): Answer => {
    switch (operation) {
      case 'PUT /control/behaviour': {
        if (!path?.startsWith('/'))
          return { status: 400, body: 'say which path: /control/behaviour?path=/x' };
        const parsed = behaviourSchema.safeParse(jsonOrUndefined(body));
        if (!parsed.success) return { status: 400, body: z.prettifyError(parsed.error) };
        behaviours.set(path, parsed.data);
        return { status: 204 };
      }
      case 'GET /control/deliveries': {
        const found = { deliveries: log.deliveries(path), duplicates: log.duplicates(path) };
        return { status: 200, body: JSON.stringify(found), contentType: 'application/json' };
      }
      case 'DELETE /control/deliveries':
        log.clear();
        return { status: 204 };
      default:
        return {
          status: 404,
          body: 'use PUT /control/behaviour?path=/x, GET /control/deliveries or DELETE /control/deliveries',
        };
    }
  };
}

function send(response: ServerResponse, { status, body = '', contentType = 'text/plain' }: Answer): void {
  response.writeHead(status, { 'content-type': `${contentType}; charset=utf-8` }).end(body);
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return typeof value === 'string' ? value : null;
}
