import type { Secret } from '../../shared/secret.ts';
import { verifyHmac } from './hmac.ts';
import type { Delivery, Description, Provider } from './provider.ts';
import { textAt } from './reading.ts';

/** `sources.<name>.auth` of kind `github`. */
export interface GithubAuth {
  readonly kind: 'github';
  readonly secrets: readonly Secret[];
}

/** GitHub (docs.github.com, "Validating webhook deliveries"). It signs no time, so there is no replay window. */
export function github({ secrets }: GithubAuth): Provider {
  return {
    verify: verifyHmac({
      header: 'x-hub-signature-256',
      algorithm: 'sha256',
      encoding: 'hex',
      prefix: 'sha256=',
      signed: '{body}',
      secrets,
    }),
    describe,
    // The content type "application/x-www-form-urlencoded" is a choice in GitHub's settings.
    payloadField: 'payload',
    scheme: 'Signature',
  };
}

/** Events whose object does not bear the event's own name. */
const objects: ReadonlyMap<string, string> = new Map([
  ['issues', 'issue'],
  ['issue_comment', 'comment'],
  ['commit_comment', 'comment'],
  ['discussion_comment', 'comment'],
  ['pull_request_review', 'review'],
  ['pull_request_review_comment', 'comment'],
]);

/** Attributes after cloudevents/spec, adapters/github.md; the subject is the repository. */
function describe({ header, data }: Delivery): Description {
  const event = header('x-github-event') ?? '';
  const action = textAt(data, 'action');
  const object = objects.get(event) ?? event;
  return {
    id: header('x-github-delivery'),
    type: event === '' ? undefined : ['com.github', event, action].filter(Boolean).join('.'),
    time: textAt(data, object, 'updated_at') ?? textAt(data, object, 'submitted_at'),
    subject: textAt(data, 'repository', 'full_name'),
  };
}
