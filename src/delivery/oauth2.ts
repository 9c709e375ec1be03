import type { Clock } from '../shared/clock.ts';
import type { HttpSend } from '../shared/http.ts';
import { jsonOrUndefined } from '../shared/json.ts';
import type { Secret } from '../shared/secret.ts';
import { type AcquireToken, type Token, TokenError } from '../shared/tokens.ts';

/** A client and where it gets tokens; the shape of `endpoint.auth` in the configuration. */
export interface ClientCredentials {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
  /** Where id and secret stand: in the `Authorization` header, which every server takes, or in the body. */
  readonly clientAuth: 'basic' | 'post';
  readonly scope?: string | undefined;
  readonly audience?: string | undefined;
}

/** The life of a token whose answer names none (RFC 6749, section 4.2.2: `expires_in` is only recommended). */
const lifetimeSecondsByDefault = 3_600;

/**
 * Asks for tokens by client credentials (RFC 6749, sections 2.3.1 and 4.4).
 *
 * @throws {TokenError} when the server answers with none; its own words are repeated only as far as the code.
 */
export function acquireByClientCredentials(
  client: ClientCredentials,
  { send, clock, timeoutMs }: { readonly send: HttpSend; readonly clock: Clock; readonly timeoutMs: number },
): AcquireToken {
  const { tokenUrl, clientId, clientSecret, clientAuth, scope, audience } = client;
  const form = new URLSearchParams({ grant_type: 'client_credentials' });
  if (scope !== undefined) form.set('scope', scope);
  if (audience !== undefined) form.set('audience', audience);
  const headers: Record<string, string> = {
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
  };
  if (clientAuth === 'post') {
    form.set('client_id', clientId);
    form.set('client_secret', clientSecret.reveal());
  } else {
    const pair = `${formEncoded(clientId)}:${formEncoded(clientSecret.reveal())}`;
    headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  const { host } = new URL(tokenUrl);
  return async () => {
    const askedAtMs = clock.now();
    const answer = await send({ method: 'POST', url: tokenUrl, headers, body: form.toString(), timeoutMs });
    const fields = fieldsOf(answer.body);
    if (answer.status !== 200) throw new TokenError(`${host} answered ${answer.status}${codeOf(fields)}`);
    const token = readToken(fields, askedAtMs);
    if (token === undefined) throw new TokenError(`${host} answered without a token`);
    return token;
  };
}

function readToken(fields: Readonly<Record<string, unknown>>, askedAtMs: number): Token | undefined {
  const { access_token: value, expires_in: seconds } = fields;
  // It travels in a header (RFC 6750, section 2.1).
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) return undefined;
  const lifetime = Number(seconds ?? lifetimeSecondsByDefault);
  if (!(lifetime > 0)) return undefined;
  return { value, expiresAtMs: askedAtMs + lifetime * 1_000 };
}

/** The members of a JSON object; none where the text is something else. */
function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  const value = jsonOrUndefined(text, JSON.parse);
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** The server's error code (RFC 6749, section 5.2), such as `invalid_client`. */
function codeOf({ error }: Readonly<Record<string, unknown>>): string {
  return typeof error === 'string' && /^[\w.-]{1,64}$/.test(error) ? ` (${error})` : '';
}

function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1);
}
