import type { CloudEvent } from '../events/cloud-event.ts';
import { type Answer, jsonAnswer, problemAnswer } from '../shared/answer.ts';
import { rawInteger } from '../shared/json.ts';
import { isRefused, type Outcome } from './accept.ts';
import { problem } from './problem.ts';

/**
 * The answer for events that were taken in, or not: 202 once each of them is kept; 404 or 422 when one of them can
 * never be, and then none is; 503 when one could not be kept now, and then all are to be sent again.
 */
export function answerFor(
  events: readonly CloudEvent[],
  outcomes: readonly Outcome[],
  retryAfterSeconds: number,
): Answer {
  const refused = outcomes.findIndex(isRefused);
  if (refused >= 0) return refusal(events, outcomes, refused);
  const failed = outcomes.find((outcome) => outcome.kind === 'failed');
  if (failed !== undefined) {
    const detail = `${failed.code}: the topic ${failed.topic} did not take it, and neither did the outbox; send it again`;
    return problemAnswer(problem('not-kept', detail), { 'retry-after': String(retryAfterSeconds) });
  }
  const document = { events: events.map((event, index) => describe(event, outcomes[index])) };
  return jsonAnswer(202, document);
}

function refusal(events: readonly CloudEvent[], outcomes: readonly Outcome[], index: number): Answer {
  const event = events[index];
  const outcome = outcomes[index];
  const which = events.length > 1 ? `event ${index} of the batch (id ${event?.id}): ` : '';
  const whole = events.length > 1 ? '; nothing of the batch was taken in' : '';
  if (outcome?.kind === 'invalid') {
    const detail = `${which}it can be no record of its route${whole}`;
    return problemAnswer({ ...problem('invalid-data', detail), errors: outcome.problems });
  }
  const detail = `${which}no route fits an event of type ${event?.type} and source ${event?.source}${whole}`;
  return problemAnswer(problem('no-route', detail));
}

function describe({ id }: CloudEvent, outcome: Outcome | undefined): object {
  switch (outcome?.kind) {
    case 'produced': {
      const { topic, partition, offset } = outcome;
      return {
        id,
        outcome: 'produced',
        topic,
        partition,
        offset: offset === undefined ? offset : rawInteger(offset),
      };
    }
    case 'queued':
      return { id, outcome: 'queued', topic: outcome.topic };
    case 'dead-lettered':
      return { id, outcome: 'dead-lettered', topic: outcome.topic, code: outcome.code };
    default:
      return { id, outcome: outcome?.kind };
  }
}
