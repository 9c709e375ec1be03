import { z } from 'zod';
import { type Fields, header } from './fields.ts';

/** An entry of `sources`. */
export function sourceSchema(fields: Fields) {
  return z.strictObject({
    type: z
      .string()
      .min(1)
      .default('http.received')
      .describe('The type of an event that arrives as plain JSON, or as a webhook that names none.'),
    auth: authSchema(fields).optional(),
    idempotencySeconds: z
      .int()
      .min(1)
      .max(604_800)
      .optional()
      .describe('For how long an event that comes again is recognised by its id; never without it.'),
  });
}

const secretsMax = 4;
const toleranceSecondsMax = 86_400;
/** A shared secret, or the 32 bytes of an ed25519 public key (standard-webhooks.md, "Signature scheme"). */
const standardSecret =
  /^(?:whsec_(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2,3}={0,2})?|whpk_[A-Za-z0-9+/]{43}=)$/;

const toleranceSeconds = z
  .int()
  .min(1)
  .max(toleranceSecondsMax)
  .default(300)
  .describe('How far the time of signing may be from now, either way.');

function authSchema(fields: Fields) {
  const { text, url } = fields;
  const secrets = secretsOf(fields);
  return z
    .discriminatedUnion(
      'kind',
      [
        z.strictObject({ kind: z.literal('github'), secrets: secrets('The secret of the webhook.') }),
        z.strictObject({
          kind: z.literal('stripe'),
          secrets: secrets('The signing secret of the endpoint, whsec_ included.'),
          toleranceSeconds,
        }),
        z.strictObject({
          kind: z.literal('slack'),
          secrets: secrets('The signing secret of the app.'),
          toleranceSeconds,
        }),
        standardWebhooksSchema(fields),
        z.strictObject({ kind: z.literal('shopify'), secrets: secrets("The app's client secret.") }),
        z.strictObject({
          kind: z.literal('twilio'),
          secrets: secrets("The account's auth token."),
          publicUrl: url('The URL as Twilio knows it, where a gateway in front has another one.').optional(),
        }),
        hmacSchema(fields),
        z.strictObject({
          kind: z.literal('apiKey'),
          in: z.enum(['header', 'query']).default('header').describe('Where the key stands.'),
          name: header.default('x-api-key').describe('The name of the header or of the query parameter.'),
          secrets: secrets('The key.'),
        }),
        z.strictObject({
          kind: z.literal('basic'),
          user: text('The user name.'),
          secrets: secrets('The password.'),
        }),
        z.strictObject({
          kind: z.literal('jwt'),
          issuer: text('What iss must be, such as https://login.microsoftonline.com/<tenant>/v2.0'),
          audience: text("What aud must hold: the bridge's own application id."),
          keysUrl: url('Key set, such as https://login.microsoftonline.com/<tenant>/discovery/v2.0/keys'),
          roles: z.array(z.string().min(1)).default([]).describe('One of these must be in roles.'),
          appIds: z.array(text('An application (client) id.')).default([]).describe('Who may call.'),
          toleranceSeconds,
        }),
        z.strictObject({ kind: z.literal('none') }).describe('Anyone may send; only for trying things out.'),
      ],
      {
        error:
          'kind must be github, stripe, slack, standard-webhooks, shopify, twilio, hmac, api-key, basic, jwt or none',
      },
    )
    .describe(
      'How webhooks at /api/webhooks/{source} prove where they come from; without it none are taken.',
    );
}

function standardWebhooksSchema({ secret }: Fields) {
  const standard = secret('whsec_ and Base64, or the public key: whpk_ and Base64.').refine(
    (value) => standardSecret.test(value.reveal()),
    'must be whsec_ followed by Base64, or whpk_ followed by the Base64 of 32 bytes',
  );
  return z.strictObject({
    kind: z.literal('standardWebhooks'),
    secrets: z.array(standard).min(1).max(secretsMax).describe('Any of these fits; several while rotating.'),
    toleranceSeconds,
  });
}

function hmacSchema(fields: Fields) {
  return z
    .strictObject({
      kind: z.literal('hmac'),
      secrets: secretsOf(fields)('The key, as text.'),
      header: header.describe('The header that carries the signature.'),
      algorithm: z.enum(['sha1', 'sha256', 'sha512']).default('sha256'),
      encoding: z.enum(['hex', 'base64']).default('hex'),
      prefix: z.string().default('').describe('Stands before the digest in the header, such as sha256='),
      signed: z
        .string()
        .default('{body}')
        .describe('What is signed: {body} once, and {timestamp} where there is one.'),
      timestamp: z
        .strictObject({
          header: header.describe('The header with the time of signing, in seconds since the epoch.'),
          toleranceSeconds,
        })
        .optional()
        .describe('The replay window, where the sender signs a time.'),
    })
    .refine(({ signed }) => signed.split('{body}').length === 2, {
      path: ['signed'],
      message: 'must hold {body} exactly once, such as {timestamp}.{body}',
    })
    .refine(({ signed, timestamp }) => signed.includes('{timestamp}') === (timestamp !== undefined), {
      path: ['signed'],
      message:
        'must hold {timestamp} exactly when timestamp is set: a time that is not signed protects nothing',
    });
}

function secretsOf({ secret }: Fields) {
  return (description: string) =>
    z
      .array(secret(description))
      .min(1)
      .max(secretsMax)
      .describe(`${description} Any of these fits; several while rotating.`);
}
