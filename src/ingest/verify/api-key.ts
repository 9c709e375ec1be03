import type { Secret } from '../../shared/secret.ts';
import { type Provider, refused, verified } from './provider.ts';
import { createSecretCheck } from './signature.ts';

/** `sources.<name>.auth` of kind `api-key`. */
export interface ApiKeyAuth {
  readonly kind: 'apiKey';
  /** Where the key stands. */
  readonly in: 'header' | 'query';
  readonly name: string;
  readonly secrets: readonly Secret[];
}

/** Whoever sends a shared key along, in a header or in the query. */
export function apiKey({ in: place, name, secrets }: ApiKeyAuth): Provider {
  const matches = createSecretCheck(secrets.map((secret) => secret.reveal()));
  return {
    verify: async (request) => {
      const key = place === 'header' ? request.header(name) : URL.parse(request.url)?.searchParams.get(name);
      if (key === undefined || key === null) return refused.credentialsMissing;
      return matches(key) ? verified : refused.credentialsMismatch;
    },
    scheme: 'ApiKey',
  };
}
