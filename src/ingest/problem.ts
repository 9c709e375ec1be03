import { problemsOf } from '../shared/answer.ts';

/** Makes the problem document of a kind; `detail` says what is wrong this time and what would be right. */
export const problem = problemsOf({
  'malformed-body': { title: 'The body cannot be read', status: 400 },
  'invalid-event': { title: 'The event is not a CloudEvent 1.0', status: 400 },
  'too-deep': { title: 'The body is nested too deeply', status: 400 },
  'invalid-handshake': { title: 'The webhook validation request cannot be read', status: 400 },
  unverified: { title: 'The sender is not who it says', status: 401 },
  'origin-not-allowed': { title: 'The origin may not send here', status: 403 },
  'unknown-source': { title: 'There is no such source', status: 404 },
  'no-route': { title: 'No route fits the event', status: 404 },
  'body-too-large': { title: 'The body is too large', status: 413 },
  'too-many-events': { title: 'The batch holds too many events', status: 413 },
  'unsupported-format': { title: 'The format is not supported', status: 415 },
  'invalid-data': { title: 'The event does not fit its route', status: 422 },
  overloaded: { title: 'Too much is under way', status: 429 },
  'rate-exceeded': { title: 'The sender is faster than it was allowed to be', status: 429 },
  'attributes-too-large': { title: 'The ce- headers are too large', status: 431 },
  unverifiable: { title: 'The sender cannot be verified at the moment', status: 503 },
  'not-kept': { title: 'The event could not be kept', status: 503 },
});
