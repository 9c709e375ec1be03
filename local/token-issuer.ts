import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { OAuth2Issuer } from 'oauth2-mock-server';
import { readBody } from '../proxy/request-body.ts';
import { type Clock, systemClock } from '../src/shared/clock.ts';
import { describeError } from '../src/shared/error.ts';
import { listenOnLoopback } from './loopback.ts';

/** An application that may ask for tokens. `groups` are the object ids of the security groups it is a member of. */
export interface TokenClient {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly groups: readonly string[];
}

/** What an issuer is started with. */
export interface TokenIssuerOptions {
  /** Port on localhost; 0 takes a free one. */
  readonly port: number;
  /** PEM texts of the private key and of a certificate for `localhost`. */
  readonly tls: { readonly key: string; readonly cert: string };
  readonly tenantId: string;
  readonly clients: readonly TokenClient[];
  readonly clock?: Clock;
}

/** An issuer that listens. */
export interface RunningTokenIssuer {
  /** `https://localhost:PORT` */
  readonly url: string;
  /** `https://localhost:PORT/TENANT`: what MSAL takes as `authority`. */
  readonly authority: string;
  /** `https://localhost:PORT/TENANT/v2.0`: the `iss` of the tokens; its `/.well-known/openid-configuration` is served. */
  readonly issuer: string;
  /** How many tokens have been issued. */
  issued(): number;
  close(): Promise<void>;
}

const tokenLifetimeSeconds = 3_600;
const requestBytesMax = 16_384;
const scopeSuffix = '/.default';

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What a token is made for. */
interface Grant {
  readonly client: TokenClient;
  readonly audience: string;
}

/**
 * Starts a stand-in for Microsoft Entra ID on this machine: discovery, keys and the token endpoint of one tenant, at
 * Entra's paths, for the client credentials grant. The signing key is made at start, so tokens do not outlive it.
 *
 * Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 */
export async function startTokenIssuer(options: TokenIssuerOptions): Promise<RunningTokenIssuer> {
  const { tenantId, clock = systemClock } = options;
  let issuedCount = 0;
  const signer = new OAuth2Issuer();
  await signer.keys.generate('RS256');

  const answerTokenRequest = async (request: IncomingMessage): Promise<Answer> => {
    const sent = await readBody(request, requestBytesMax);
    if (sent === 'too-large')
      return refuse(413, 'invalid_request', `over ${requestBytesMax} bytes were sent`);
    if (sent === 'broken') return refuse(400, 'invalid_request', 'the request broke off');
    const form = new URLSearchParams(sent.toString('utf8'));
    const decision = decide(form, request.headers.authorization, options);
    if ('status' in decision) return decision;
    const accessToken = await signer.buildToken({
      scopesOrTransform: (_header, payload) =>
        Object.assign(payload, claimsOf(decision, tenantId, clock.now())),
    });
    issuedCount += 1;
    return {
      status: 200,
      body: {
        token_type: 'Bearer',
        expires_in: tokenLifetimeSeconds,
        ext_expires_in: tokenLifetimeSeconds,
        access_token: accessToken,
      },
    };
  };

  const routes = new Map<string, (request: IncomingMessage) => Answer | Promise<Answer>>([
    [
      `GET /${tenantId}/v2.0/.well-known/openid-configuration`,
      () => ({ status: 200, body: discovery(url, tenantId) }),
    ],
    [`GET /${tenantId}/discovery/v2.0/keys`, () => ({ status: 200, body: { keys: signer.keys.toJSON() } })],
    [`POST /${tenantId}/oauth2/v2.0/token`, answerTokenRequest],
  ]);
  const server = createServer(options.tls, (request, response) => {
    const [path] = (request.url ?? '').split('?');
    const route = routes.get(`${request.method} ${path}`) ?? (() => notFound(tenantId));
    void serve(route, request, response);
  });
  const { url, close } = await listenOnLoopback(server, { host: 'localhost', port: options.port });
  const issuer = `${url}/${tenantId}/v2.0`;
  signer.url = issuer;

  return {
    url,
    authority: `${url}/${tenantId}`,
    issuer,
    issued: () => issuedCount,
    close,
  };
}

/** Checks a token request as Entra does, in the same order, and says what to issue or how to refuse. */
function decide(
  form: URLSearchParams,
  authorization: string | undefined,
  options: TokenIssuerOptions,
): Grant | Answer {
  const grantType = form.get('grant_type');
  if (grantType === null) {
    return refuse(400, 'invalid_request', "AADSTS900144: The request body must contain 'grant_type'.");
  }
  if (grantType !== 'client_credentials') {
    return refuse(
      400,
      'unsupported_grant_type',
      `AADSTS70003: The grant type '${grantType}' is not supported.`,
    );
  }
  const { clientId, clientSecret } = readCredentials(form, authorization);
  const client = options.clients.find((known) => known.clientId === clientId);
  if (client === undefined) {
    return refuse(
      400,
      'unauthorized_client',
      `AADSTS700016: Application '${clientId}' was not found in the directory '${options.tenantId}'.`,
    );
  }
  if (clientSecret !== client.clientSecret) {
    return refuse(401, 'invalid_client', `AADSTS7000215: Invalid client secret provided for '${clientId}'.`);
  }
  const scope = form.get('scope') ?? '';
  const audience = scope.slice(0, -scopeSuffix.length);
  if (!scope.endsWith(scopeSuffix) || audience === '' || /\s/.test(scope)) {
    return refuse(
      400,
      'invalid_scope',
      `AADSTS1002012: The scope '${scope}' is not valid: give one resource identifier with ${scopeSuffix} appended.`,
    );
  }
  return { client, audience };
}

/** Client id and secret of HTTP Basic (RFC 6749, section 2.3.1: form-encoded, then base64), else of the form. */
function readCredentials(
  form: URLSearchParams,
  authorization: string | undefined,
): { clientId: string; clientSecret: string } {
  const basic = /^Basic +([\w+/=-]+)$/i.exec(authorization ?? '')?.[1];
  if (basic === undefined) {
    return { clientId: form.get('client_id') ?? '', clientSecret: form.get('client_secret') ?? '' };
  }
  const [clientId = '', clientSecret = ''] = Buffer.from(basic, 'base64')
    .toString('utf8')
    .split(/:(.*)/s)
    .map((part) => new URLSearchParams(`part=${part.replaceAll('&', '%26')}`).get('part') ?? '');
  return { clientId, clientSecret };
}

/** Claims of an app-only access token: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference */
function claimsOf(grant: Grant, tenantId: string, nowMs: number) {
  const { clientId, groups } = grant.client;
  const issuedAt = Math.floor(nowMs / 1000);
  return {
    aud: grant.audience,
    tid: tenantId,
    appid: clientId,
    azp: clientId,
    // In Entra the id of the application's service principal; here an application is known by one id only.
    oid: clientId,
    sub: clientId,
    groups,
    ver: '2.0',
    iat: issuedAt,
    nbf: issuedAt,
    exp: issuedAt + tokenLifetimeSeconds,
  };
}

function discovery(url: string, tenantId: string): Answer['body'] {
  const authority = `${url}/${tenantId}`;
  return {
    issuer: `${authority}/v2.0`,
    token_endpoint: `${authority}/oauth2/v2.0/token`,
    jwks_uri: `${authority}/discovery/v2.0/keys`,
    // Named because MSAL will not take a document without it; nobody signs in here.
    authorization_endpoint: `${authority}/oauth2/v2.0/authorize`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
    grant_types_supported: ['client_credentials'],
    response_types_supported: ['token'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
  };
}

function refuse(status: number, error: string, description: string): Answer {
  return { status, body: { error, error_description: description } };
}

function notFound(tenantId: string): Answer {
  return refuse(404, 'invalid_request', `nothing is here; this issuer serves the tenant '${tenantId}' only`);
}

async function serve(
  route: (request: IncomingMessage) => Answer | Promise<Answer>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const answer = await Promise.resolve(route(request)).catch((error: unknown) =>
    refuse(500, 'server_error', describeError(error)),
  );
  const headers = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' };
  response.writeHead(answer.status, headers).end(JSON.stringify(answer.body));
}
