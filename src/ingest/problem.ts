/** A problem document (RFC 9457). `type` is stable. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
}

const kinds = {
  'malformed-body': { title: 'The body cannot be read', status: 400 },
  'invalid-event': { title: 'The event is not a CloudEvent 1.0', status: 400 },
  'unknown-source': { title: 'There is no such source', status: 404 },
  'no-route': { title: 'No route fits the event', status: 404 },
  'body-too-large': { title: 'The body is too large', status: 413 },
  'unsupported-format': { title: 'The format is not supported', status: 415 },
  'not-produced': { title: 'The event could not be produced', status: 503 },
} as const;

/** Makes the problem document of a kind; `detail` says what is wrong this time and what would be right. */
export function problem(kind: keyof typeof kinds, detail: string): Problem {
  return { type: `urn:sluice:problem:${kind}`, ...kinds[kind], detail };
}
