import type { Attempt } from '../events/dead-letter.ts';
import type { EventFilter } from '../events/filter.ts';
import type { TopicRecord } from '../events/record.ts';
import { compileTransform } from '../events/transform.ts';
import { createAddressGuard, type Resolve } from '../shared/address-guard.ts';
import type { Clock, Random } from '../shared/clock.ts';
import { describeError, SluiceError } from '../shared/error.ts';
import type { OpenHttpPool } from '../shared/http.ts';
import type { Secret } from '../shared/secret.ts';
import type { AcquireToken } from '../shared/tokens.ts';
import { createAttempts } from './attempt.ts';
import {
  type EndpointAuth,
  fixedHeaders,
  type ManagedIdentity,
  secretsOf,
  tlsOf,
  tokensOf,
} from './authentication.ts';
import { createWriter, type Form } from './form.ts';
import type { HandshakeConfig } from './handshake.ts';
import { createPrepare } from './prepare.ts';
import { createSign } from './sign.ts';
import type { RetryPolicy, Verdict } from './verdict.ts';

/** How records of one subscription reach its endpoint. */
export interface Delivery {
  /** Most records and bytes of one request, and how long one may wait for more; `recordsMax` 1: each record alone. */
  readonly batch: { readonly recordsMax: number; readonly bytesMax: number; readonly lingerMs: number };
  /** Filters, transforms and writes a record. Sync where nothing has to be waited for (no transform), for speed. */
  prepare(record: TopicRecord): Preparation | Promise<Preparation>;
  /**
   * One attempt: one HTTP request with records of one target. `failures`: attempts of these records that failed
   * before. Never throws for what happens on the wire.
   */
  attempt(
    prepared: readonly PreparedRecord[],
    failures: number,
  ): Promise<{ readonly attempt: Attempt; readonly verdict: Verdict }>;
  /**
   * Most deliveries a second that the receiver allows this instance, learnt by the handshake before the first one:
   * `unknown` until then, and while no token is at hand, when one attempt at a time may find it out; undefined where
   * the receiver names no limit.
   * Whoever starts attempts keeps to it.
   */
  allowedPerSecond?(): number | 'unknown' | undefined;
}

/** A record made ready: filtered, transformed, written in the subscription's form. Opaque but for these. */
export interface PreparedRecord {
  readonly record: TopicRecord;
  /** Records of different targets (URL and headers made by templates) never travel in one delivery. */
  readonly target: string;
  /** What it adds to a request's body. */
  readonly bytes: number;
}

/** What became of a record before anything is sent. */
export type Preparation =
  | { readonly kind: 'ready'; readonly prepared: PreparedRecord }
  | { readonly kind: 'filtered' }
  /** It can never be delivered: a case for the dead letters. */
  | { readonly kind: 'failed'; readonly reason: { readonly code: string; readonly message: string } };

/** How one subscription delivers; a part of its configuration. */
export interface DeliverySettings {
  readonly filter?: EventFilter | undefined;
  /** JSONata. */
  readonly transform?: string | undefined;
  readonly form: Form;
  readonly endpoint: Endpoint;
  readonly retry: RetryPolicy;
}

/** Where records go, and how the bridge behaves there. */
export interface Endpoint {
  /** With values of the event in path and query, or without. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: EndpointAuth;
  readonly signingSecrets: readonly Secret[];
  /** The longest time of an attempt, in milliseconds. */
  readonly timeoutMs: number;
  readonly handshake: false | HandshakeConfig;
  readonly allowPrivate: readonly string[];
  readonly allowHttp: boolean;
  readonly connectionsMax: number;
}

/** A delivery with connections of its own. */
export interface OpenDelivery extends Delivery {
  /** Closes them, after the attempts under way. */
  close(): Promise<void>;
}

const connectTimeoutMsMax = 5_000;
/** Bytes of an answer that are read before its connection is given up. */
const answerBytesMax = 65_536;

/**
 * Opens the way to one subscription's endpoint. All that stays the same is worked out here, once.
 *
 * @throws {SluiceError} `delivery.invalid-transform`, when the transform does not compile.
 */
export async function createDelivery(options: {
  readonly settings: DeliverySettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly openPool: OpenHttpPool;
  /** Gets tokens of the app's own identity. */
  readonly acquireIdentity: (identity: ManagedIdentity) => AcquireToken;
  /** Resolves host names; the system's resolver by default. */
  readonly resolve?: Resolve;
}): Promise<OpenDelivery> {
  const { settings, clock, random, openPool, acquireIdentity, resolve } = options;
  const { filter, transform, form, endpoint, retry } = settings;
  const { url, auth, signingSecrets, timeoutMs, handshake, allowHttp, allowPrivate } = endpoint;
  const changes = transform === undefined ? undefined : await compile(transform);
  const pool = openPool({
    clock,
    connectionsMax: endpoint.connectionsMax,
    connectTimeoutMs: Math.min(connectTimeoutMsMax, timeoutMs),
    answerBytesMax,
    statusDecides: true,
    guard: createAddressGuard({ allowHttp, allowList: allowPrivate, ...(resolve && { resolve }) }),
    tls: tlsOf(auth),
  });
  const { send } = pool;
  const writer = createWriter(form);
  const alone = { recordsMax: 1, bytesMax: Number.MAX_SAFE_INTEGER, lingerMs: 0 };
  return {
    batch: typeof form === 'string' ? alone : form,
    prepare: createPrepare({ filter, transform: changes, endpoint, writer }),
    ...createAttempts({
      send,
      clock,
      random,
      url,
      timeoutMs,
      retry,
      writer,
      headers: {
        'user-agent': 'sluice',
        ...fixedHeaders(auth),
        // A receiver that gave its consent finds it by this in every delivery (http-webhook.md, section 4.1.2).
        ...(handshake && { 'webhook-request-origin': handshake.origin }),
      },
      // A header may hold one too.
      secrets: [...secretsOf(auth), ...Object.values(endpoint.headers)],
      tokens: tokensOf(auth, { send, clock, timeoutMs, acquireIdentity }),
      sign: createSign(signingSecrets),
      handshake: handshake || undefined,
    }),
    close: () => pool.close(),
  };
}

async function compile(transform: string) {
  try {
    return await compileTransform(transform);
  } catch (error) {
    const message = `the transform does not compile: ${describeError(error)}`;
    throw new SluiceError({ code: 'delivery.invalid-transform', message, retryable: false, cause: error });
  }
}
