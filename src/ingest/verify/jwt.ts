import type { FetchImplementation, JWTPayload, RemoteJWKSet } from 'jose';
import type { HttpSend } from '../../shared/http.ts';
import { type Provider, refused, type Verification, type Verify, verified } from './provider.ts';

/** A token of Microsoft Entra, or of any issuer that signs with RS256. */
export interface JwtAuth {
  readonly kind: 'jwt';
  /** Must equal `iss`. */
  readonly issuer: string;
  /** Must be in `aud`. */
  readonly audience: string;
  /** Where the issuer publishes its keys (a JSON Web Key Set). */
  readonly keysUrl: string;
  /** One of these must be in `roles`; any token will do when empty. */
  readonly roles: readonly string[];
  /** The calling application, `azp` or `appid`, must be one of these; any will do when empty. */
  readonly appIds: readonly string[];
  readonly toleranceSeconds: number;
}

const keysTimeoutMs = 5_000;

/** Bearer tokens (RFC 6750), as Event Grid and managed identities send them (learn.microsoft.com, "Access tokens"). */
export function jwt(auth: JwtAuth, send: HttpSend): Provider {
  return { verify: verifyJwt(auth, send), scheme: 'Bearer' };
}

function verifyJwt(auth: JwtAuth, send: HttpSend): Verify {
  let keys: RemoteJWKSet | undefined;
  return async (request, nowMs) => {
    const [, token] = /^Bearer +([\w.-]+)$/i.exec(request.header('authorization') ?? '') ?? [];
    if (token === undefined) return refused.credentialsMissing;
    const { createRemoteJWKSet, customFetch, errors, jwtVerify } = await import('jose');
    keys ??= createRemoteJWKSet(new URL(auth.keysUrl), { [customFetch]: fetchBy(send) });
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: auth.issuer,
        audience: auth.audience,
        algorithms: ['RS256'],
        requiredClaims: ['exp'],
        clockTolerance: auth.toleranceSeconds,
        currentDate: new Date(nowMs),
      });
      return isAllowed(auth, payload) ? verified : refused.credentialsMismatch;
    } catch (error) {
      if (error instanceof errors.JWTExpired) return refused.outsideWindow;
      return error instanceof errors.JOSEError && !keyFaults.has(error.code)
        ? refused.credentialsMismatch
        : keysUnreadable(error);
    }
  };
}

/** Codes by which jose says that it has no usable keys. */
const keyFaults = new Set(['ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID', 'ERR_JWKS_TIMEOUT']);

function keysUnreadable(cause: unknown): Verification {
  const detail = "the issuer's keys cannot be read at the moment; send it again";
  return { ok: false, kind: 'unverifiable', detail, cause };
}

function isAllowed({ roles, appIds }: JwtAuth, payload: JWTPayload): boolean {
  const held: unknown = payload.roles;
  const hasRole = roles.length === 0 || (Array.isArray(held) && roles.some((role) => held.includes(role)));
  // `azp` in version 2 tokens, `appid` in version 1.
  const appId = payload.azp ?? payload.appid;
  return hasRole && (appIds.length === 0 || (typeof appId === 'string' && appIds.includes(appId)));
}

function fetchBy(send: HttpSend): FetchImplementation {
  return async (url, { headers, signal }) => {
    const { status, body } = await send({
      method: 'GET',
      url,
      headers: Object.fromEntries(headers),
      timeoutMs: keysTimeoutMs,
      signal,
    });
    // Only some statuses may have a body, and jose reads it of a 200 only.
    return new Response(status === 200 ? body : null, { status });
  };
}
