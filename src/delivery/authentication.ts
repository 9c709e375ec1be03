import { createPrivateKey } from 'node:crypto';
import type { Clock } from '../shared/clock.ts';
import type { HttpPoolOptions, HttpSend } from '../shared/http.ts';
import type { Secret } from '../shared/secret.ts';
import { type AcquireToken, createTokens, type Tokens } from '../shared/tokens.ts';
import { acquireByClientCredentials, type ClientCredentials } from './oauth2.ts';

/** How the bridge proves itself to an endpoint; the shape of `endpoint.auth` in the configuration. */
export type EndpointAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'apiKey'; readonly header: string; readonly value: Secret }
  | { readonly kind: 'basic'; readonly user: string; readonly password: Secret }
  | { readonly kind: 'bearer'; readonly token: Secret }
  | ({ readonly kind: 'oauth2' } & ClientCredentials)
  | ({ readonly kind: 'managedIdentity' } & ManagedIdentity)
  /** `certificate`: certificate and private key, both PEM. */
  | { readonly kind: 'mtls'; readonly certificate: Secret; readonly ca?: Secret | undefined };

/** The identity of the app in Azure, and what its tokens are for. */
export interface ManagedIdentity {
  readonly scope: string;
  /** Of a user-assigned identity; the system-assigned one without it. */
  readonly clientId?: string | undefined;
}

/** The headers by which every request proves the bridge, where they never change. */
export function fixedHeaders(auth: EndpointAuth): Readonly<Record<string, string>> {
  switch (auth.kind) {
    case 'apiKey':
      return { [auth.header.toLowerCase()]: auth.value.reveal() };
    case 'basic': {
      const pair = `${auth.user}:${auth.password.reveal()}`;
      return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
    }
    case 'bearer':
      return { authorization: `Bearer ${auth.token.reveal()}` };
    default:
      return {};
  }
}

/** The texts in {@link fixedHeaders}, and in requests for tokens, that nobody else may read. */
export function secretsOf(auth: EndpointAuth): readonly string[] {
  switch (auth.kind) {
    case 'apiKey':
      return [auth.value.reveal()];
    case 'basic': {
      const [, pair = ''] = fixedHeaders(auth).authorization?.split(' ') ?? [];
      return [pair, auth.password.reveal()];
    }
    case 'bearer':
      return [auth.token.reveal()];
    case 'oauth2':
      return [auth.clientSecret.reveal()];
    default:
      return [];
  }
}

/** The tokens by which requests prove the bridge; undefined where there are none. */
export function tokensOf(
  auth: EndpointAuth,
  options: {
    readonly send: HttpSend;
    readonly clock: Clock;
    readonly timeoutMs: number;
    readonly acquireIdentity: (identity: ManagedIdentity) => AcquireToken;
  },
): Tokens | undefined {
  const { clock } = options;
  if (auth.kind === 'managedIdentity') {
    return createTokens({ acquire: options.acquireIdentity(auth), clock });
  }
  if (auth.kind !== 'oauth2') return undefined;
  return createTokens({ acquire: acquireByClientCredentials(auth, options), clock });
}

/** What the bridge shows of itself in TLS, and whom it trusts. */
export function tlsOf(auth: EndpointAuth): NonNullable<HttpPoolOptions['tls']> {
  if (auth.kind !== 'mtls') return {};
  const cert = auth.certificate.reveal();
  const key = createPrivateKey(cert).export({ type: 'pkcs8', format: 'pem' }).toString();
  return { cert, key, ...(auth.ca && { ca: auth.ca.reveal() }) };
}
