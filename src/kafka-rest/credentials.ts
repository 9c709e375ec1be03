import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Configuration } from '@azure/msal-node';
import { openOnce } from '../shared/open-once.ts';
import type { Secret } from '../shared/secret.ts';
import { type AcquireToken, TokenError } from '../shared/tokens.ts';

/** How the bridge proves itself; the shape of `proxy.auth` in the configuration. */
export type Credential =
  | {
      readonly kind: 'clientSecret';
      readonly tenantId: string;
      readonly clientId: string;
      readonly clientSecret: Secret;
      readonly authority?: string | undefined;
    }
  | {
      readonly kind: 'clientCertificate';
      readonly tenantId: string;
      readonly clientId: string;
      /** Certificate and private key, both PEM. */
      readonly certificate: Secret;
      readonly authority?: string | undefined;
    }
  | { readonly kind: 'managedIdentity'; readonly clientId?: string | undefined }
  | { readonly kind: 'developer' };

/**
 * Chooses the library behind a credential: msal-node for client credentials (secret or certificate),
 * `@azure/identity` for managed identity and developer sign-in. Each is loaded when the first token is asked
 * for, so a cold start pays for one of them at most.
 */
export function acquireWith(credential: Credential, scope: string): AcquireToken {
  switch (credential.kind) {
    case 'clientSecret':
    case 'clientCertificate':
      return fromClientCredentials(credential, scope);
    case 'managedIdentity':
    case 'developer':
      return fromIdentity(credential, scope);
  }
}

type ClientCredential = Extract<Credential, { kind: 'clientSecret' | 'clientCertificate' }>;
type IdentityCredential = Extract<Credential, { kind: 'managedIdentity' | 'developer' }>;

function fromClientCredentials(credential: ClientCredential, scope: string): AcquireToken {
  const application = openOnce(async () => {
    const { ConfidentialClientApplication } = await import('@azure/msal-node');
    return new ConfidentialClientApplication({ auth: msalAuth(credential) });
  });
  return async ({ forceRefresh }) => {
    try {
      const client = await application();
      const result = await client.acquireTokenByClientCredential({
        scopes: [scope],
        skipCache: forceRefresh,
      });
      if (!result?.accessToken || !result.expiresOn)
        throw new TokenError('the authority answered without a token');
      return { value: result.accessToken, expiresAtMs: result.expiresOn.getTime() };
    } catch (error) {
      throw asTokenError(error);
    }
  };
}

/** @throws {TokenError} when the certificate setting does not hold both PEM parts. */
export function msalAuth(credential: ClientCredential): Configuration['auth'] {
  const authority = credential.authority ?? `https://login.microsoftonline.com/${credential.tenantId}`;
  const auth = {
    clientId: credential.clientId,
    authority,
    // Instance discovery would ask Microsoft about an authority that Microsoft does not know.
    knownAuthorities: credential.authority === undefined ? [] : [new URL(authority).host],
  };
  return credential.kind === 'clientSecret'
    ? { ...auth, clientSecret: credential.clientSecret.reveal() }
    : { ...auth, clientCertificate: readCertificate(credential.certificate.reveal()) };
}

function readCertificate(pem: string) {
  try {
    const certificate = new X509Certificate(pem);
    const privateKey = createPrivateKey(pem).export({ type: 'pkcs8', format: 'pem' }).toString();
    return { thumbprintSha256: certificate.fingerprint256.replaceAll(':', ''), privateKey, x5c: pem };
  } catch (error) {
    throw new TokenError(
      'the certificate setting must hold a certificate and its private key, both PEM',
      error,
    );
  }
}

function fromIdentity(credential: IdentityCredential, scope: string): AcquireToken {
  const provider = openOnce(async () => {
    const identity = await import('@azure/identity');
    if (credential.kind === 'developer') {
      return new identity.ChainedTokenCredential(
        new identity.AzureCliCredential(),
        new identity.AzureDeveloperCliCredential(),
        new identity.AzurePowerShellCredential(),
      );
    }
    return new identity.ManagedIdentityCredential(
      credential.clientId === undefined ? {} : { clientId: credential.clientId },
    );
  });
  return async () => {
    try {
      const token = await (await provider()).getToken(scope);
      return { value: token.token, expiresAtMs: token.expiresOnTimestamp };
    } catch (error) {
      throw asTokenError(error);
    }
  };
}

function asTokenError(error: unknown): TokenError {
  if (error instanceof TokenError) return error;
  // msal's own message can quote the request; its code cannot.
  const code = error instanceof Error && 'errorCode' in error ? String(error.errorCode) : undefined;
  const name = error instanceof Error ? error.name : 'unknown error';
  return new TokenError(
    `no token from the authority (${code ?? name}); check the auth that the configuration gives`,
    error,
  );
}
