import { createPrivateKey, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { templateProblem } from '../events/template.ts';
import { topicName, topicNameRule } from '../events/topic.ts';
import { urlTemplateProblem } from '../events/url-template.ts';
import { createAddressGuard, isAllowListEntry } from '../shared/address-guard.ts';
import type { Secret } from '../shared/secret.ts';
import { count, duration, durationMsMax, type Fields, header, refuse } from './fields.ts';
import { filterSchema } from './filter.ts';

/** An entry of `subscriptions`. */
export function subscriptionSchema(fields: Fields) {
  return entrySchema(fields).transform(({ parkedMax, ...entry }) => ({
    ...entry,
    parkedMax: parkedMax ?? parkedMaxOf(entry),
  }));
}

const parkedMaxMin = 1_000;
const parkedMaxMax = 100_000;

/** Room for everything that is under way, should it fail, while as much again is parked. */
function parkedMaxOf({ maxInFlight, form }: Pick<z.output<EntrySchema>, 'maxInFlight' | 'form'>): number {
  return Math.min(Math.max(2 * maxInFlight * recordsMaxOf(form), parkedMaxMin), parkedMaxMax);
}

function recordsMaxOf(form: z.output<EntrySchema>['form']): number {
  return typeof form === 'string' ? 1 : form.recordsMax;
}

type EntrySchema = ReturnType<typeof entrySchema>;

function entrySchema(fields: Fields) {
  return z.strictObject({
    topics: z.array(z.string().regex(topicName, topicNameRule)).min(1).describe('Topics to read.'),
    start: z
      .enum(['earliest', 'latest'])
      .default('latest')
      .describe('Where a partition seen for the first time is begun.'),
    ordering: z
      .enum(['key', 'partition', 'none'])
      .default('key')
      .describe(
        'key: records of one key go out in order, and one that fails is parked with those behind it. partition: all of a partition in order, and one that fails holds it. none: in any order.',
      ),
    maxInFlight: count(16, 1_024, 'Deliveries under way at once for one partition; ordering partition: one.'),
    parkedMax: z
      .exactOptional(z.int().min(1).max(parkedMaxMax))
      .describe(
        'Records of one partition that may be parked. Those under way count, since each may have to be; at the bound the partition waits. Without it, twice maxInFlight times recordsMax of the form, but at least 1000.',
      ),
    dataLoss: z
      .enum(['skip', 'halt'])
      .default('skip')
      .describe(
        'When records are gone before they were delivered. skip: note the gap and go on. halt: pause until an operator resumes.',
      ),
    filter: filterSchema
      .optional()
      .describe('Only events that fit are delivered; the others are finished at once.'),
    transform: z
      .string()
      .min(1)
      .optional()
      .describe(
        'A JSONata expression over the event; its result becomes data, and no result filters the event.',
      ),
    form: formSchema.default('structured'),
    endpoint: endpointSchema(fields).describe('Where records go, and what the bridge keeps to there.'),
    retry: retrySchema,
  });
}

/** A subscription as the configuration gives it. */
export type SubscriptionConfig = z.output<ReturnType<typeof subscriptionSchema>>;

const batchLimits = {
  recordsMax: count(100, 10_000, 'Records in one request.'),
  bytesMax: count(1_048_576, 104_857_600, 'Bytes of records in one request; a larger record goes alone.'),
  lingerMs: z.int().min(0).max(10_000).default(0).describe('How long a record waits for others.'),
};

const formRule = 'must be "structured", "binary", "raw", { "kind": "batch" } or { "kind": "array" }';

const formSchema = z
  .union(
    [
      z.enum(['structured', 'binary', 'raw'], { error: formRule }),
      z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('batch'), ...batchLimits }).describe('A CloudEvents batch.'),
        z.strictObject({ kind: z.literal('array'), ...batchLimits }).describe('A JSON array of raw values.'),
      ]),
    ],
    { error: formRule },
  )
  .describe(
    'structured: the CloudEvent as JSON. binary: its attributes in ce- headers, its data as the body. raw: the value of the record as it stands, or what the transform made.',
  );

const retrySchema = z
  .strictObject({
    delaysMs: z
      .array(z.int().min(0).max(durationMsMax))
      .max(50)
      .default([
        5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000,
      ])
      .describe(
        'The longest wait after the first failure, the second, and so on (the wait itself is random, up to this); after one more the record becomes a dead letter. Default: Standard Webhooks.',
      ),
    refusedAttemptsMax: count(
      3,
      50,
      'A record that the endpoint refuses (4xx other than 408, 410, 425, 429) becomes a dead letter after this many attempts; 1: at once.',
    ),
  })
  .prefault({})
  .describe('When a record that failed is tried again, and when it is given up.');

function endpointSchema(fields: Fields) {
  return z.strictObject({
    url: fields
      .url('Where records are posted to; {type} or {/order/id} in path or query stands for a value.')
      .check(refuse(urlTemplateProblem)),
    headers: z
      .record(header.check(refuse(headerNameProblem)), fields.text('A value.').check(refuse(headerProblem)))
      .default({})
      .describe(
        'Sent with every delivery; {type} or {/order/id} in a value stands for a value of the event.',
      ),
    auth: authSchema(fields).default({ kind: 'none' }),
    signingSecrets: z
      .array(signingSecret(fields))
      .max(4)
      .default([])
      .describe('Every delivery is signed with each (Standard Webhooks); several while rotating.'),
    timeoutMs: duration(
      15_000,
      'Longest time of an attempt, from connecting to the last byte of the answer.',
    ),
    handshake: z
      .union([
        z.literal(false, { error: 'must be false, or { "origin": "bridge.example.com" }' }),
        z.strictObject({
          origin: fields
            .text('The DNS name by which this bridge asks, such as bridge.example.com.')
            .refine((origin) => dnsName.test(origin), 'must be a DNS name such as bridge.example.com'),
          ratePerMinute: z.int().min(1).max(1_000_000).optional().describe('Deliveries a minute asked for.'),
        }),
      ])
      .default(false)
      .describe('Ask for consent before the first delivery (CloudEvents abuse protection); false: do not.'),
    allowPrivate: z
      .array(z.string().refine(isAllowListEntry, 'must be a host name, an address or a CIDR block'))
      .default([])
      .describe(
        'Private targets that are meant: host names, addresses, CIDR blocks. All others are refused.',
      ),
    allowHttp: z.boolean().default(false).describe('Also deliver without TLS.'),
    connectionsMax: count(64, 1_024, 'Deliveries under way at once on one instance, and connections kept.'),
    ratePerSecond: z
      .number()
      .positive()
      .max(100_000)
      .optional()
      .describe('Most deliveries a second on one instance.'),
    breaker: z
      .strictObject({
        failureRatio: z
          .number()
          .gt(0)
          .max(1)
          .default(0.5)
          .describe('It opens when at least this part of the last attempts failed.'),
        attemptsMin: count(
          20,
          10_000,
          'How many of the last attempts count; while there were fewer, it stays closed.',
        ),
        openMs: duration(
          30_000,
          'How long nothing is attempted before one record probes; after each probe that fails, twice as long.',
        ),
        openMsMax: duration(600_000, 'The longest wait between two probes.'),
      })
      .prefault({})
      .describe('Leaves an endpoint alone that fails too often.'),
  });
}

function authSchema({ text, url, secret }: Fields) {
  return z
    .discriminatedUnion(
      'kind',
      [
        z.strictObject({ kind: z.literal('none') }),
        z.strictObject({
          kind: z.literal('apiKey'),
          header: header.check(refuse(headerNameProblem)).default('x-api-key').describe('Carries the key.'),
          value: secret('The key.').check(refuse(secretHeaderProblem)),
        }),
        z.strictObject({
          kind: z.literal('basic'),
          user: text('The user name.').refine((user) => !user.includes(':'), 'must not hold a colon'),
          password: secret('The password.'),
        }),
        z.strictObject({
          kind: z.literal('bearer'),
          token: secret('The token.').check(refuse(secretHeaderProblem)),
        }),
        z.strictObject({
          kind: z.literal('oauth2'),
          tokenUrl: url('Where tokens are had by client credentials (RFC 6749, section 4.4).'),
          clientId: text('The client id.'),
          clientSecret: secret('The client secret.'),
          clientAuth: z
            .enum(['basic', 'post'])
            .default('basic')
            .describe('Client id and secret in the Authorization header, or in the body.'),
          scope: text('The scope asked for.').optional(),
          audience: text('The audience asked for, where the server wants one.').optional(),
        }),
        z.strictObject({
          kind: z.literal('managedIdentity'),
          scope: text('The scope asked for, such as api://<application id>/.default'),
          clientId: text(
            'The client id of a user-assigned identity; the system-assigned one without it.',
          ).optional(),
        }),
        z.strictObject({
          kind: z.literal('mtls'),
          certificate: secret('Certificate and private key, both PEM, in one setting.').refine(
            (pem) => holdsCertificateAndKey(pem.reveal()),
            'must hold a certificate and the private key that belongs to it, both PEM',
          ),
          ca: secret('Who is trusted to sign the certificate of the endpoint, PEM.').optional(),
        }),
      ],
      { error: 'kind must be none, apiKey, basic, bearer, oauth2, managedIdentity or mtls' },
    )
    .describe('How the bridge proves itself to the endpoint.');
}

/** standard-webhooks.md, "Signature scheme"; a private key is its seed, with the public key behind it or without. */
function signingSecret({ secret }: Fields) {
  return secret('A Standard Webhooks secret: whsec_ and Base64, or a private key: whsk_ and Base64.').refine(
    (value) => isSigningSecret(value.reveal()),
    'must be whsec_ followed by the Base64 of 24 to 64 bytes, or whsk_ followed by the Base64 of an ed25519 private key (32 or 64 bytes)',
  );
}

function isSigningSecret(text: string): boolean {
  const [, kind, base64 = ''] = /^(whsec|whsk)_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const bytes = Buffer.from(base64, 'base64').length;
  return kind === 'whsk' ? bytes === 32 || bytes === 64 : bytes >= 24 && bytes <= 64;
}

function holdsCertificateAndKey(pem: string): boolean {
  try {
    return new X509Certificate(pem).checkPrivateKey(createPrivateKey(pem));
  } catch {
    return false; // One of them cannot be read.
  }
}

/** Headers that belong to the connection, to the form of the body, or to what else the configuration says. */
const ownHeaders =
  /^(?:host|connection|keep-alive|upgrade|expect|te|trailer|transfer-encoding|content-.*|user-agent|authorization|webhook-.*|ce-.*)$/i;
const dnsName = /^[a-z0-9_](?:[a-z0-9_.-]{0,252})$/i;
const printable = /^[\x20-\x7e]*$/;

function headerNameProblem(name: string): string | undefined {
  return ownHeaders.test(name)
    ? `${name} is set by the bridge; authorization by auth, webhook-signature by signingSecrets`
    : undefined;
}

function headerProblem(value: string): string | undefined {
  return printable.test(value) ? templateProblem(value) : 'must be printable ASCII';
}

function secretHeaderProblem(value: Secret): string | undefined {
  return printable.test(value.reveal()) ? undefined : 'must be printable ASCII';
}

/**
 * How many attempts must fit in a run: two, or as many as it takes to find the record for which a batch of
 * `recordsMax` is refused, by halving it again and again. A run that ended before that would have done nothing, and the
 * next would begin anew.
 */
export function attemptsOfRun(recordsMax: number): number {
  return Math.max(2, 1 + Math.ceil(Math.log2(recordsMax)));
}

/** What no single field of a subscription can see, each with its path. */
export function subscriptionContradictions(
  { topics, endpoint, form }: SubscriptionConfig,
  drain: { readonly leaseMs: number; readonly budgetMs: number },
): readonly { readonly path: string; readonly message: string }[] {
  const problems: { path: string; message: string }[] = [];
  const complain = (path: string, message: string) => problems.push({ path, message });
  const { auth, breaker, handshake, headers, timeoutMs, url } = endpoint;
  if (timeoutMs * 2 > drain.leaseMs) {
    complain(
      'endpoint.timeoutMs',
      `must be at most half of drain.leaseMs (${drain.leaseMs}), or a lease could lapse during an attempt`,
    );
  }
  const attempts = attemptsOfRun(recordsMaxOf(form));
  if (timeoutMs * attempts > drain.budgetMs) {
    const what =
      attempts === 2 ? 'no attempt' : 'not all it takes to find the record that makes a batch refused';
    complain(
      'endpoint.timeoutMs',
      `must be at most drain.budgetMs (${drain.budgetMs}) divided by ${attempts}, or ${what} would fit in a run`,
    );
  }
  if (new Set(topics).size !== topics.length) complain('topics', 'names a topic twice');
  if (breaker.openMs > breaker.openMsMax) {
    complain('endpoint.breaker.openMs', `must be at most openMsMax (${breaker.openMsMax})`);
  }
  if (handshake && url.includes('{')) {
    complain('endpoint.handshake', 'asks one URL for consent, so endpoint.url must not depend on the event');
  }
  if (auth.kind === 'mtls' && !url.startsWith('https:')) {
    complain('endpoint.auth', 'mtls needs TLS: endpoint.url must begin with https:');
  }
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  if (auth.kind === 'apiKey') names.push(auth.header.toLowerCase());
  if (new Set(names).size !== names.length) complain('endpoint.headers', 'names a header twice');

  const { checkUrl } = createAddressGuard({
    allowHttp: endpoint.allowHttp,
    allowList: endpoint.allowPrivate,
  });
  const urls = {
    'endpoint.url': url,
    ...(auth.kind === 'oauth2' && { 'endpoint.auth.tokenUrl': auth.tokenUrl }),
  };
  for (const [path, target] of Object.entries(urls)) {
    const refusal = checkUrl(target);
    if (refusal !== undefined) {
      complain(path, `${refusal}; if it is meant, say so in endpoint.allowHttp or endpoint.allowPrivate`);
    }
  }
  return problems;
}
