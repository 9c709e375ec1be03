import type { CloudEvent } from '../events/cloud-event.ts';
import { rawInteger } from '../shared/json.ts';
import type { Outcome } from './accept.ts';
import { type Problem, problem } from './problem.ts';

/** An HTTP answer, ready to be sent. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The answer for an event that was taken in: 202 once the log has confirmed it, else why not. */
export function answerFor(event: CloudEvent, outcome: Outcome, retryAfterSeconds: number): Answer {
  switch (outcome.kind) {
    case 'produced': {
      const { topic, partition, offset } = outcome;
      const position = { topic, partition, offset: offset === undefined ? undefined : rawInteger(offset) };
      const body = JSON.stringify({ events: [{ id: event.id, outcome: 'produced', ...position }] });
      return { status: 202, headers: { 'content-type': 'application/json' }, body };
    }
    case 'unrouted':
      return problemAnswer(
        problem(
          'no-route',
          `no route fits an event of type ${event.type} and source ${event.source}; see routes`,
        ),
      );
    case 'failed':
      return problemAnswer(
        problem('not-produced', `${outcome.code}: the topic ${outcome.topic} did not take it; send it again`),
        { 'retry-after': String(retryAfterSeconds) },
      );
  }
}

/** The answer that carries a problem document. */
export function problemAnswer(document: Problem, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status: document.status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify(document),
  };
}
