import type { Answer } from '../../shared/answer.ts';
import type { Secret } from '../../shared/secret.ts';
import { verifyHmac } from './hmac.ts';
import type { Delivery, Provider } from './provider.ts';
import { prefixed, textAt, timestampOf } from './reading.ts';

/** `sources.<name>.auth` of kind `slack`. */
export interface SlackAuth {
  readonly kind: 'slack';
  readonly toleranceSeconds: number;
  readonly secrets: readonly Secret[];
}

/** Slack (docs.slack.dev, "Verifying requests from Slack"): the Events API, commands and interactions. */
export function slack({ secrets, toleranceSeconds }: SlackAuth): Provider {
  return {
    verify: verifyHmac({
      header: 'x-slack-signature',
      algorithm: 'sha256',
      encoding: 'hex',
      prefix: 'v0=',
      signed: 'v0:{timestamp}:{body}',
      timestamp: { header: 'x-slack-request-timestamp', toleranceSeconds },
      secrets,
    }),
    describe: ({ data }) => ({
      id: textAt(data, 'event_id'),
      type: prefixed('com.slack.', textAt(data, 'event', 'type') ?? textAt(data, 'type')),
      time: timestampOf(textAt(data, 'event_time')),
    }),
    handshake,
    // Interactions come as forms that carry their JSON in one field.
    payloadField: 'payload',
    scheme: 'Signature',
  };
}

/** Slack asks for its challenge back when an endpoint is entered (docs.slack.dev, `url_verification`). */
function handshake({ data }: Delivery): Answer | undefined {
  const challenge = textAt(data, 'challenge');
  if (textAt(data, 'type') !== 'url_verification' || challenge === undefined) return undefined;
  return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: challenge };
}
