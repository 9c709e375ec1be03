import type { Secret } from '../../shared/secret.ts';
import { type Provider, refused, verified } from './provider.ts';
import { createSecretCheck } from './signature.ts';

/** `sources.<name>.auth` of kind `basic`. */
export interface BasicAuth {
  readonly kind: 'basic';
  readonly user: string;
  /** Passwords. */
  readonly secrets: readonly Secret[];
}

/** HTTP Basic (RFC 7617), user name and password in UTF-8. */
export function basic({ user, secrets }: BasicAuth): Provider {
  const matches = createSecretCheck(secrets.map((secret) => `${user}:${secret.reveal()}`));
  return {
    verify: async (request) => {
      const [, credentials] =
        /^Basic +([A-Za-z0-9+/]+=*)$/i.exec(request.header('authorization') ?? '') ?? [];
      if (credentials === undefined) return refused.credentialsMissing;
      const presented = Buffer.from(credentials, 'base64').toString('utf8');
      return matches(presented) ? verified : refused.credentialsMismatch;
    },
    scheme: 'Basic',
  };
}
