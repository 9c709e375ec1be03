import {
  createRemoteJWKSet,
  customFetch,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { Agent, fetch } from 'undici';
import { z } from 'zod';
import type { Clock } from '../src/shared/clock.ts';
import { describeError } from '../src/shared/error.ts';
import { openOnce } from '../src/shared/open-once.ts';
import { RestError } from './rest-error.ts';

/** Who may call the proxy: members of one group, by tokens of one issuer. */
export interface ProxyAuth {
  /** The `iss` of its tokens; its keys are found through `<issuer>/.well-known/openid-configuration`. */
  readonly issuer: string;
  /** The `aud` of the tokens, with or without a slash at its end. Default: `defaultAudience`. */
  readonly audience?: string;
  /** The id of the security group; a token must list it in its claim `groups`. */
  readonly groupId: string;
  /** PEM of the certificate authority to trust when asking the issuer, instead of the machine's. */
  readonly issuerCa?: string;
}

/** The resource that HDInsight's tokens are for. */
export const defaultAudience = 'https://hib.azurehdinsight.net';

/** Tokens remembered as good, so that a busy client's signature is not verified at every call. */
const rememberedTokensMax = 1000;
const rememberedMaxMs = 60_000;
const issuerTimeoutMs = 10_000;

/** Lets callers in by their token. */
export interface Authenticator {
  /**
   * Resolves when the `Authorization` header holds a good token of a member.
   *
   * @throws {RestError} unauthenticated, not_a_member, or issuer_unreachable when the keys cannot be fetched.
   */
  check(authorization: string | undefined): Promise<void>;
  close(): Promise<void>;
}

/** Makes the authenticator of one issuer and group; the issuer's keys are fetched when they are first needed. */
export function createAuthenticator(auth: ProxyAuth, clock: Clock): Authenticator {
  const audience = (auth.audience ?? defaultAudience).replace(/\/$/, '');
  const keys = createIssuerKeys(auth);
  const goodUntilMs = new Map<string, number>();

  const verify = async (token: string): Promise<JWTPayload> => {
    try {
      const { payload } = await jwtVerify(token, keys.get, {
        issuer: auth.issuer,
        audience: [audience, `${audience}/`],
        requiredClaims: ['exp'],
        currentDate: new Date(clock.now()),
      });
      return payload;
    } catch (error) {
      if (isBadToken(error)) throw unauthenticated(`The token is not valid: ${error.message}.`);
      // What `fetch` throws only says that it failed; its cause says why.
      const why = error instanceof TypeError && error.cause !== undefined ? error.cause : error;
      throw new RestError('issuer_unreachable', `The issuer's keys cannot be had: ${describeError(why)}`);
    }
  };
  const remember = (token: string, expiresAtSeconds: number) => {
    const oldest = goodUntilMs.keys().next();
    if (goodUntilMs.size >= rememberedTokensMax && !oldest.done) goodUntilMs.delete(oldest.value);
    goodUntilMs.set(token, Math.min(expiresAtSeconds * 1000, clock.now() + rememberedMaxMs));
  };

  return {
    check: async (authorization) => {
      const token = bearerToken(authorization);
      if (clock.now() < (goodUntilMs.get(token) ?? 0)) return;
      goodUntilMs.delete(token);
      const { groups, exp } = await verify(token);
      if (!Array.isArray(groups) || !groups.includes(auth.groupId)) {
        throw new RestError('not_a_member', `The token's "groups" do not hold the group ${auth.groupId}.`);
      }
      remember(token, exp ?? 0);
    },
    close: () => keys.close(),
  };
}

function bearerToken(authorization: string | undefined): string {
  // RFC 6750 section 2.1; the scheme's name is case-insensitive by RFC 9110 section 11.1.
  const token = /^Bearer +([\w.~+/=-]+)$/i.exec(authorization ?? '')?.[1];
  if (token === undefined) throw unauthenticated('Send the header "Authorization: Bearer <token>".');
  return token;
}

function unauthenticated(message: string): RestError {
  return new RestError('unauthenticated', message, { 'www-authenticate': 'Bearer' });
}

/** Whether verification failed by the token's own fault rather than for want of the issuer's keys. */
function isBadToken(error: unknown): error is errors.JOSEError {
  return (
    error instanceof errors.JWTClaimValidationFailed ||
    error instanceof errors.JWTExpired ||
    error instanceof errors.JWTInvalid ||
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSEAlgNotAllowed ||
    error instanceof errors.JOSENotSupported
  );
}

const discoverySchema = z.object({ jwks_uri: z.url() });

/** The issuer's public keys, discovered at first use. Source: OpenID Connect Discovery 1.0, section 4. */
function createIssuerKeys(auth: ProxyAuth): { get: JWTVerifyGetKey; close(): Promise<void> } {
  const dispatcher = new Agent({ connect: auth.issuerCa === undefined ? {} : { ca: auth.issuerCa } });
  const fetchFromIssuer = (url: string) =>
    fetch(url, { dispatcher, redirect: 'error', signal: AbortSignal.timeout(issuerTimeoutMs) });

  const keySet = openOnce(async () => {
    const response = await fetchFromIssuer(
      `${auth.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
    );
    if (!response.ok) throw new Error(`${response.url} answered ${response.status}.`);
    const { jwks_uri } = discoverySchema.parse(await response.json());
    return createRemoteJWKSet(new URL(jwks_uri), { [customFetch]: fetchFromIssuer });
  });

  return {
    get: async (header, token) => (await keySet())(header, token),
    close: () => dispatcher.destroy(),
  };
}
