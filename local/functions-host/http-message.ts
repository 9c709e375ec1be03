import type { ServerResponse } from 'node:http';
import type { RpcHttpCookie, RpcHttpData, RpcTypedData } from './core-types.ts';
import type { RouteParams } from './http-route.ts';
import type { Exchange } from './http-server.ts';

/**
 * The request as the host gives it to a worker: header names in lower case, several values of one header or
 * query parameter joined by a comma. Azure/azure-functions-host, `GrpcMessageConversionExtensions.ToRpcHttp`.
 */
export function toRpcRequest(exchange: Exchange, params: RouteParams, body: Buffer): RpcHttpData {
  const { request, method, query } = exchange;
  return {
    method,
    url: `http://${request.headers.host || 'localhost'}${request.url ?? '/'}`,
    headers: joinHeaders(request.rawHeaders),
    query: query === '' ? {} : joinQuery(query),
    params,
    body: { bytes: body },
  };
}

/** Writes the answer of an HTTP function. Without a return value the host answers 204. */
export function sendRpcResponse(response: ServerResponse, value: RpcTypedData | null | undefined): void {
  const answer = value?.http;
  if (!answer) {
    response.writeHead(204);
    response.end();
    return;
  }
  const status = Number(answer.statusCode ?? 200);
  for (const [name, header] of Object.entries(answer.headers ?? {})) {
    if (!hopHeaders.has(name)) response.setHeader(name, header);
  }
  if (answer.cookies && answer.cookies.length > 0)
    response.setHeader('set-cookie', answer.cookies.map(formatCookie));
  const body = toBytes(answer.body);
  if (status !== 204 && status !== 304) response.setHeader('content-length', body.length);
  response.statusCode = status;
  response.end(body);
}

/** Headers that belong to the connection, or that the host computes, whatever the function says. */
const hopHeaders = new Set(['connection', 'content-length', 'keep-alive', 'transfer-encoding', 'upgrade']);

const nothing = Buffer.alloc(0);

function joinHeaders(raw: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase();
    const value = raw[index + 1] ?? '';
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before},${value}`;
  }
  return headers;
}

function joinQuery(query: string): Record<string, string> {
  const joined: Record<string, string> = {};
  // The host finds a parameter again whatever its case, and keeps the case it saw first.
  const names = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    const first = names.get(name.toLowerCase());
    if (first === undefined) {
      names.set(name.toLowerCase(), name);
      joined[name] = value;
    } else joined[first] += `,${value}`;
  }
  return joined;
}

function toBytes(data: RpcTypedData | null | undefined): Uint8Array {
  if (data?.bytes) return data.bytes;
  const text = data?.string ?? data?.json ?? data?.int ?? data?.double;
  return text === undefined || text === null ? nothing : Buffer.from(String(text));
}

/** As ASP.NET writes `Set-Cookie`: lower-case attributes in this order. */
function formatCookie(cookie: RpcHttpCookie): string {
  const { domain, expires, httpOnly, maxAge, path, sameSite, secure } = cookie;
  const parts = [`${encodeURIComponent(cookie.name)}=${encodeURIComponent(cookie.value)}`];
  if (expires?.value) parts.push(`expires=${new Date(expires.value.seconds * 1000).toUTCString()}`);
  if (typeof maxAge?.value === 'number') parts.push(`max-age=${maxAge.value}`);
  if (domain?.value) parts.push(`domain=${domain.value}`);
  parts.push(`path=${path?.value ?? '/'}`);
  if (secure?.value) parts.push('secure');
  if (sameSite !== undefined && sameSite !== 'none')
    parts.push(`samesite=${sameSite === 'explicitNone' ? 'none' : sameSite}`);
  if (httpOnly?.value) parts.push('httponly');
  return parts.join('; ');
}
