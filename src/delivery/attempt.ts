import { hash } from 'node:crypto';
import { webhookIdOf } from '../events/record.ts';
import { assert } from '../shared/assert.ts';
import type { Clock, Random } from '../shared/clock.ts';
import { createDeadlines } from '../shared/deadlines.ts';
import { SluiceError } from '../shared/error.ts';
import { type HttpAnswer, HttpError, type HttpRequest, type HttpSend } from '../shared/http.ts';
import { withoutSecrets } from '../shared/secret.ts';
import type { Tokens } from '../shared/tokens.ts';
import type { Delivery, PreparedRecord } from './deliver.ts';
import type { Writer } from './form.ts';
import { askConsent, type Consent, type HandshakeConfig } from './handshake.ts';
import type { Ready } from './prepare.ts';
import type { Sign } from './sign.ts';
import { type RetryPolicy, verdictOf } from './verdict.ts';

/** What attempts to one endpoint need. */
export interface AttemptOptions {
  readonly send: HttpSend;
  readonly clock: Clock;
  readonly random: Random;
  /** Where consent is asked for; records bring their own. */
  readonly url: string;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly writer: Writer;
  /** Headers that never change. */
  readonly headers: Readonly<Record<string, string>>;
  /** Texts that are cut out of an answer before it is remembered: some receivers repeat what they were sent. */
  readonly secrets: readonly string[];
  readonly tokens: Tokens | undefined;
  readonly sign: Sign | undefined;
  readonly handshake: HandshakeConfig | undefined;
}

/** Characters of an answer that are remembered. */
const answerCharsMax = 1_000;
/** No secret is shorter, and an answer in which each shorter text were hidden could not be read. */
const secretCharsMin = 6;

/**
 * Makes attempts: one POST each, signed by Standard Webhooks. A token that is answered 401 is renewed, and the
 * request sent again, once; all of it takes `timeoutMs` at most.
 */
export function createAttempts(
  options: AttemptOptions,
): Required<Pick<Delivery, 'attempt' | 'allowedPerSecond'>> {
  const { send, clock, random, timeoutMs, retry, tokens } = options;
  const secrets = options.secrets.filter(({ length }) => length >= secretCharsMin);
  const access = tokens === undefined && options.handshake === undefined ? undefined : createAccess(options);

  async function post(records: readonly Ready[], startedAtMs: number): Promise<HttpAnswer> {
    const request = requestOf(records, startedAtMs, options);
    if (access === undefined) return send(request);
    const leftMs = () => {
      const left = startedAtMs + timeoutMs - clock.now();
      // Whoever comes too late, as after a freeze, may have lost the right to send.
      if (left <= 0) throw tooLate(timeoutMs);
      return left;
    };
    const token = await access.within(leftMs(), access.prove());
    const answer = await send({ ...withToken(request, token), timeoutMs: leftMs() });
    if (token === undefined || tokens === undefined) return answer;
    if (answer.status !== 401) return without([token], answer);
    const renewed = await access.within(leftMs(), tokens.replace(token));
    return without([renewed], await send({ ...withToken(request, renewed), timeoutMs: leftMs() }));
  }

  return {
    async attempt(prepared, failures) {
      const atMs = clock.now();
      let answer: HttpAnswer | undefined;
      let reason = '';
      try {
        answer = without(secrets, await post(readied(prepared), atMs));
      } catch (error) {
        // Whatever else is thrown is a defect of the bridge.
        if (!(error instanceof SluiceError)) throw error;
        reason = error.message;
      }
      const nowMs = clock.now();
      const said = { records: prepared.length, failures, retry, nowMs, random };
      const latencyMs = nowMs - atMs;
      if (answer === undefined) {
        const attempt = { atMs, latencyMs, status: null, answer: reason };
        return { attempt, verdict: verdictOf({ kind: 'unanswered', reason }, said) };
      }
      const { status, headers, body } = answer;
      const outcome = { kind: 'answered', status, retryAfter: headers['retry-after'] } as const;
      const attempt = { atMs, latencyMs, status, answer: body.slice(0, answerCharsMax).toWellFormed() };
      return { attempt, verdict: verdictOf(outcome, said) };
    },
    allowedPerSecond: () => access?.allowedPerSecond(),
  };
}

function without(secrets: readonly string[], answer: HttpAnswer): HttpAnswer {
  return { ...answer, body: withoutSecrets(answer.body, secrets) };
}

/** Records that are sent are those that {@link createPrepare} made: their type is narrower than the drain's. */
function readied(prepared: readonly PreparedRecord[]): readonly Ready[] {
  return prepared as readonly Ready[];
}

function requestOf(
  records: readonly Ready[],
  startedAtMs: number,
  { writer, headers, sign, timeoutMs }: AttemptOptions,
): HttpRequest {
  const [first] = records;
  assert(first !== undefined, 'an attempt carries at least one record');
  const body = writer.join(records.map(({ written }) => written.body));
  const id = records.length === 1 ? webhookIdOf(first.record) : batchIdOf(records);
  const timestampSeconds = Math.floor(startedAtMs / 1_000);
  const signature = sign?.({ id, timestampSeconds, body });
  return {
    method: 'POST',
    url: first.url,
    headers: {
      ...headers,
      ...first.headers,
      ...first.written.headers,
      'webhook-id': id,
      'webhook-timestamp': String(timestampSeconds),
      ...(signature !== undefined && { 'webhook-signature': signature }),
    },
    body,
    timeoutMs,
  };
}

/** The same for the same records in the same order, and for no others. */
function batchIdOf(records: readonly Ready[]): string {
  const ids = records.map(({ record }) => webhookIdOf(record)).join(' ');
  return `batch_${hash('sha256', ids, 'hex').slice(0, 32)}`;
}

function tooLate(timeoutMs: number): HttpError {
  return new HttpError({ failure: 'timeout', message: `no token or consent within ${timeoutMs} ms` });
}

function withToken(request: HttpRequest, token: string | undefined): HttpRequest {
  if (token === undefined) return request;
  return { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } };
}

/** What a request needs before it may be sent: the receiver's consent, asked for once, and a token that serves. */
function createAccess({ tokens, handshake, send, url, headers, timeoutMs, clock }: AttemptOptions) {
  const deadlines = createDeadlines(clock);
  let consent: Consent | undefined;
  let asking: Promise<void> | undefined;

  async function ask(config: HandshakeConfig): Promise<void> {
    const token = await tokens?.current();
    const proven: HttpSend = async (request) => {
      const answer = await send(withToken(request, token));
      if (answer.status !== 401 || token === undefined || tokens === undefined) return answer;
      return send(withToken(request, await tokens.replace(token)));
    };
    consent = await askConsent(config, { send: proven, url, headers, timeoutMs });
  }

  /** The token of the next request, where requests have one, once the receiver has consented. */
  async function prove(): Promise<string | undefined> {
    if (handshake !== undefined && consent === undefined) {
      asking ??= ask(handshake).finally(() => {
        asking = undefined;
      });
      await asking;
    }
    return tokens?.current();
  }

  /** Waits for shared work, a token or the consent, no longer than one attempt can; the work goes on for the others. */
  function within<T>(patienceMs: number, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = deadlines.begin(patienceMs, () => reject(tooLate(timeoutMs)));
      work.then(resolve, reject).finally(end);
    });
  }

  return {
    prove,
    within,
    allowedPerSecond() {
      // Those that wait for one token leave together when it comes.
      if (tokens?.isAtHand() === false) return 'unknown';
      if (handshake === undefined) return undefined;
      if (consent === undefined) return 'unknown';
      return consent.ratePerMinute && consent.ratePerMinute / 60;
    },
  };
}
