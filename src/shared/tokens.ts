import type { Clock } from './clock.ts';
import { SluiceError } from './error.ts';

/** A bearer token and when it ends, in milliseconds since the epoch. */
export interface Token {
  readonly value: string;
  readonly expiresAtMs: number;
}

/** Fetches a new token. `forceRefresh` asks for one that is in no cache. @throws when none can be had. */
export type AcquireToken = (options: { forceRefresh: boolean }) => Promise<Token>;

/** No token could be had. The message says why, without a secret. */
export class TokenError extends SluiceError {
  constructor(message: string, cause?: unknown) {
    super({ code: 'token.unavailable', message, retryable: true, cause });
  }
}

/** Hands out a token that is good for the next call. */
export interface Tokens {
  /** Whether the next call has a token at once. */
  isAtHand(): boolean;
  current(): Promise<string>;
  /** A new token after `rejected` was answered 401; one already refreshed by another call is reused. */
  replace(rejected: string): Promise<string>;
}

/** A token is renewed this long before it ends, while the old one still serves; a short-lived one in its last quarter. */
const refreshAheadMsMax = 5 * 60_000;
/** A token this close to its end is no longer sent; a short-lived one in its last tenth. */
const unusableBeforeEndMsMax = 30_000;
/** How long a renewal that failed is left alone while the old token still serves. */
const refreshAgainMs = 5_000;

/**
 * Shares one token among all calls: concurrent callers wait for one request, renewal happens in the background
 * ahead of expiry, and a failed renewal is felt only when the old token has ended.
 */
export function createTokens(options: { acquire: AcquireToken; clock: Clock }): Tokens {
  const { acquire, clock } = options;
  let token: Token | undefined;
  let refreshAtMs = 0;
  let unusableAtMs = 0;
  let pending: Promise<Token> | undefined;

  function renew(forceRefresh: boolean): Promise<Token> {
    pending ??= acquire({ forceRefresh })
      .then((fresh) => {
        token = fresh;
        const lifetimeMs = fresh.expiresAtMs - clock.now();
        refreshAtMs = fresh.expiresAtMs - Math.min(refreshAheadMsMax, lifetimeMs / 4);
        unusableAtMs = fresh.expiresAtMs - Math.min(unusableBeforeEndMsMax, lifetimeMs / 10);
        return fresh;
      })
      .finally(() => {
        pending = undefined;
      });
    return pending;
  }

  const isAtHand = () => token !== undefined && clock.now() < unusableAtMs;

  return {
    isAtHand,
    async current() {
      const nowMs = clock.now();
      if (token === undefined || !isAtHand()) return (await renew(false)).value;
      if (nowMs >= refreshAtMs) {
        refreshAtMs = nowMs + refreshAgainMs;
        // The token in hand still serves; should renewal keep failing, the call after its end reports why.
        renew(false).catch(() => undefined);
      }
      return token.value;
    },
    async replace(rejected) {
      if (token !== undefined && token.value !== rejected) return token.value;
      return (await renew(true)).value;
    },
  };
}
