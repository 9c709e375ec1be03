import type { CloudEvent } from '../../events/cloud-event.ts';
import type { Answer, Problem } from '../../shared/answer.ts';
import type { HttpSend } from '../../shared/http.ts';
import { problem } from '../problem.ts';
import { readContent } from './content.ts';
import type { Provider, WebhookRequest } from './provider.ts';
import { createProvider, type SourceAuth } from './source-auth.ts';
import { toEvent } from './to-event.ts';

/** A source by which webhooks may come in, if it has `auth`. */
export interface WebhookSource {
  /** The type of an event whose delivery names none. */
  readonly type: string;
  readonly auth?: SourceAuth | undefined;
}

/** What reading webhooks needs. */
export interface ReadWebhookOptions {
  readonly sources: Readonly<Record<string, WebhookSource>>;
  /** Reads the keys of token issuers. */
  readonly send: HttpSend;
  readonly newId: () => string;
  readonly limits: { readonly depthMax: number };
}

/**
 * What a request turned out to be: an event, a handshake with its answer, or neither. `headers` belong to the
 * problem's answer; `cause` is for the log, never for the answer.
 */
export type WebhookResult =
  | { readonly event: CloudEvent }
  | { readonly reply: Answer }
  | {
      readonly problem: Problem;
      readonly headers?: Readonly<Record<string, string>>;
      readonly cause?: unknown;
    };

/** Verifies and reads a webhook that came in by a source, at a time in milliseconds since the epoch. It does not throw. */
export type ReadWebhook = (
  sourceName: string,
  request: WebhookRequest,
  nowMs: number,
) => Promise<WebhookResult>;

/** Makes the reader of all sources' webhooks: each request is verified before anything of it is parsed. */
export function createReadWebhook(options: ReadWebhookOptions): ReadWebhook {
  const { sources, send, newId, limits } = options;
  const providers = new Map<string, Provider>();
  const providerOf = (name: string, auth: SourceAuth) => {
    const provider = providers.get(name) ?? createProvider(auth, send);
    providers.set(name, provider);
    return provider;
  };
  return async (sourceName, request, nowMs) => {
    const source = Object.hasOwn(sources, sourceName) ? sources[sourceName] : undefined;
    if (source?.auth === undefined) return { problem: noWebhooks(sourceName, source !== undefined) };
    const provider = providerOf(sourceName, source.auth);
    const verification = await provider.verify(request, nowMs);
    if (!verification.ok) {
      const { kind, detail, cause } = verification;
      const headers = { 'www-authenticate': `${provider.scheme} realm="${sourceName}"` };
      return { problem: problem(kind, detail), ...(kind === 'unverified' && { headers }), cause };
    }
    const read = readContent(request, provider.payloadField, limits.depthMax);
    if ('problem' in read) return read;
    const { content } = read;
    const delivery = {
      header: (name: string) => request.header(name),
      data: 'data' in content ? content.data : undefined,
    };
    const reply = provider.handshake?.(delivery);
    if (reply !== undefined) return { reply };
    const defaults = { id: newId(), type: source.type, nowMs };
    return { event: toEvent(sourceName, content, provider.describe?.(delivery) ?? {}, defaults) };
  };
}

function noWebhooks(sourceName: string, exists: boolean): Problem {
  const detail = exists
    ? `"${sourceName}" takes no webhooks: its configuration has no auth (sources.${sourceName}.auth)`
    : `"${sourceName}" is not among the configured sources`;
  return problem('unknown-source', detail);
}
