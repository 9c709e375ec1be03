import type { Clock } from '../shared/clock.ts';

/** A bearer token and when it ends, in milliseconds since the epoch. */
export interface Token {
  readonly value: string;
  readonly expiresAtMs: number;
}

/** Fetches a new token. `forceRefresh` asks for one that is in no cache. @throws when none can be had. */
export type AcquireToken = (options: { forceRefresh: boolean }) => Promise<Token>;

/** Hands out a token that is good for the next call. */
export interface Tokens {
  current(): Promise<string>;
  /** A new token after `rejected` was answered 401; one already refreshed by another call is reused. */
  replace(rejected: string): Promise<string>;
}

/** A token is renewed this long before it ends, while the old one still serves. */
const refreshAheadMs = 5 * 60_000;
/** A token this close to its end is no longer sent. */
const unusableBeforeEndMs = 30_000;

/**
 * Shares one token among all calls: concurrent callers wait for one request, renewal happens in the background
 * ahead of expiry, and a failed renewal is felt only when the old token has ended.
 */
export function createTokens(options: { acquire: AcquireToken; clock: Clock }): Tokens {
  const { acquire, clock } = options;
  let token: Token | undefined;
  let pending: Promise<Token> | undefined;

  function renew(forceRefresh: boolean): Promise<Token> {
    pending ??= acquire({ forceRefresh })
      .then((fresh) => {
        token = fresh;
        return fresh;
      })
      .finally(() => {
        pending = undefined;
      });
    return pending;
  }

  return {
    async current() {
      const leftMs = token === undefined ? 0 : token.expiresAtMs - clock.now();
      if (token === undefined || leftMs <= unusableBeforeEndMs) return (await renew(false)).value;
      if (leftMs <= refreshAheadMs) {
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
