import { answerHandshake, confirmHandshake, type Handshake } from '../ingest/abuse-protection.ts';
import type { FlushSummary } from '../ingest/outbox.ts';
import { type EventsRequest, type ReceiveOptions, receiveEvents, receiveWebhook } from '../ingest/receive.ts';
import { prepareRouter, type Router } from '../ingest/route.ts';
import type { WebhookRequest } from '../ingest/verify/provider.ts';
import { type AddressGuard, createAddressGuard } from '../shared/address-guard.ts';
import type { Answer } from '../shared/answer.ts';
import { describeError } from '../shared/error.ts';
import type { HttpSend } from '../shared/http.ts';
import { composeDeadLetters } from './dead-letters.ts';
import { composeFlush } from './flush.ts';
import type { Kafka } from './kafka.ts';
import { receiveOptionsOf } from './receive-options.ts';
import type { Invocation, Surroundings } from './surroundings.ts';
import { composeUnanswered, type Unanswered } from './unanswered.ts';

/** The way in, as its triggers use it. */
export interface Ingest extends Unanswered {
  /** Which route takes an event. */
  readonly router: Router;
  /** Takes in the events of an HTTP request. */
  receive(request: EventsRequest, invocation: Invocation): Promise<Answer>;
  /** Takes in the webhook of a provider. */
  receiveFromProvider(sourceName: string, request: WebhookRequest, invocation: Invocation): Promise<Answer>;
  /** Answers the CloudEvents abuse-protection handshake. */
  shakeHands(request: Handshake, invocation: Invocation): Answer;
  /** Produces what waits in the outbox, and forgets receipts that have expired. */
  flush(invocation: Invocation): Promise<FlushSummary>;
}

const handshakeTimeoutMs = 10_000;
const strangerConnectionsMax = 4;
const strangerConnectTimeoutMs = 5_000;
const strangerAnswerBytesMax = 1_048_576;

/** Wires the way in. @throws {SluiceError} when a route of the configuration cannot be prepared. */
export async function composeIngest(surroundings: Surroundings, kafka: Kafka): Promise<Ingest> {
  const { clock, config, openPool } = surroundings;
  const guard = createAddressGuard();
  // For strangers' addresses: handshake callbacks and the keys of token issuers.
  const { send } = openPool({
    clock,
    connectionsMax: strangerConnectionsMax,
    connectTimeoutMs: strangerConnectTimeoutMs,
    answerBytesMax: strangerAnswerBytesMax,
    guard,
  });
  const router = await prepareRouter(config.routes);
  const deadLetter = composeDeadLetters(surroundings);
  const options = receiveOptionsOf(surroundings, { kafka, router, deadLetter, send });
  return {
    router,
    ...composeReceive(surroundings, options),
    ...composeUnanswered(surroundings, { accept: options, deadLetter }),
    shakeHands: composeHandshake(surroundings, { guard, send }),
    flush: composeFlush(surroundings, kafka),
  };
}

function composeReceive(
  { telemetry }: Surroundings,
  options: ReceiveOptions,
): Pick<Ingest, 'receive' | 'receiveFromProvider'> {
  /** Answers in a span, a child of the platform's for the invocation; an answer of 500 and above is its failure. */
  const answerTraced = (source: string, { caller }: Invocation, work: () => Promise<Answer>) => {
    const answer = async (fail: (code: string) => void) => {
      const answered = await work();
      if (answered.status >= 500) fail(String(answered.status));
      return answered;
    };
    return telemetry.span('sluice.receive', { source }, answer, caller);
  };
  return {
    receive: (request, invocation) =>
      answerTraced(request.sourceName ?? '', invocation, () => receiveEvents(options, request)),
    receiveFromProvider: (source, request, invocation) =>
      answerTraced(source, invocation, () =>
        receiveWebhook(options, source, request, (cause) =>
          invocation.report.error('ingest.unverifiable', { source, error: describeError(cause) }),
        ),
      ),
  };
}

function composeHandshake(
  { config }: Surroundings,
  { guard, send }: { readonly guard: AddressGuard; readonly send: HttpSend },
): Ingest['shakeHands'] {
  const protection = config.ingest.handshake ?? { allowedOrigins: [], callback: false };
  return (request, { report }) => {
    const { answer, confirmUrl } = answerHandshake({ config: protection, guard }, request);
    if (confirmUrl !== undefined) {
      // It never rejects, and the answer does not wait for it.
      void confirmHandshake({ send, report, timeoutMs: handshakeTimeoutMs }, protection, confirmUrl);
    }
    return answer;
  };
}
