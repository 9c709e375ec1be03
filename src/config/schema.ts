import { z } from 'zod';
import { cronField } from './cron.ts';
import { count, duration, type Fields, makeFields, type Settings } from './fields.ts';
import { ingestSchema } from './ingest.ts';
import { routeSchema } from './routes.ts';
import { scheduleSchema } from './schedules.ts';
import { sourceSchema } from './sources.ts';
import { subscriptionSchema } from './subscriptions.ts';

/** Names become table keys, function names and parts of URLs. */
const entryName = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
/** Table names are 3 to 63 letters and digits (learn.microsoft.com, "Understanding the Table service data model"). */
const tableNamePart = /^[A-Za-z][A-Za-z0-9]{0,30}$/;
/** By key, by shared access signature, or the emulator's (learn.microsoft.com, "Configure Azure Storage connection strings"). */
const connectionString = /(?:^|;)\s*(?:AccountName=.|SharedAccessSignature=.|UseDevelopmentStorage=true)/i;

/**
 * The one schema of `bridge.config.json`: every field with its default and what it is for. `settings` fills the
 * `${NAME}` references; a field that holds a secret must be one such reference and nothing else.
 */
export function bridgeConfigSchema(settings: Settings) {
  const fields = makeFields(settings);
  return z.strictObject({
    $schema: z.string().optional().describe('Lets editors complete this file.'),
    proxy: proxySchema(fields).describe('The Kafka REST proxy, and how it is reached.'),
    storage: storageSchema(fields),
    sources: z
      .record(nameOf('source'), sourceSchema(fields))
      .default({})
      .describe('Named origins of events, by the name that stands in the URL.'),
    routes: z
      .array(routeSchema)
      .default([])
      .describe('Ordered: the first that fits an event decides its topic and key.'),
    schedules: z
      .record(nameOf('schedule'), scheduleSchema)
      .default({})
      .describe('Events made by the clock; each becomes the timer function publish-<name>.'),
    subscriptions: z
      .record(nameOf('subscription'), subscriptionSchema(fields))
      .default({})
      .describe('Which topics go to which endpoint, by a name that also keys the checkpoints.'),
    ingest: ingestSchema,
    drain: drainSchema.prefault({}),
    limits: limitsSchema.prefault({}),
  });
}

function nameOf(what: string) {
  return z
    .string()
    .regex(
      entryName,
      `${what} names are 1 to 64 lower-case letters, digits and hyphens, with no hyphen first or last`,
    );
}

function proxySchema({ text, url, secret }: Fields) {
  const tenant = { tenantId: text('The Entra tenant.'), clientId: text('The application (client) id.') };
  const authority = url(
    'Token authority, when it is not https://login.microsoftonline.com/<tenantId>.',
  ).optional();
  const auth = z
    .discriminatedUnion('kind', [
      z.strictObject({
        kind: z.literal('clientSecret'),
        ...tenant,
        clientSecret: secret('The client secret.'),
        authority,
      }),
      z.strictObject({
        kind: z.literal('clientCertificate'),
        ...tenant,
        certificate: secret('Certificate and private key, both PEM, in one setting.'),
        authority,
      }),
      z.strictObject({
        kind: z.literal('managedIdentity'),
        clientId: text(
          'The client id of a user-assigned identity; the system-assigned one without it.',
        ).optional(),
      }),
      z
        .strictObject({ kind: z.literal('developer') })
        .describe('Whoever is signed in here: az, azd, PowerShell.'),
    ])
    .describe('How the bridge proves itself to the proxy.');
  return z.strictObject({
    url: url('Base URL, such as https://<cluster>-kafkarest.azurehdinsight.net').transform((value) =>
      value.replace(/\/+$/, ''),
    ),
    auth,
    scope: text('The scope that tokens are asked for.').default('https://hib.azurehdinsight.net/.default'),
    timeoutMs: duration(10_000, 'Longest wait for one answer.'),
    connectionsMax: count(64, 1024, 'Connections kept open to the proxy.'),
    createTopics: z
      .union([
        z.literal(false),
        z.strictObject({
          partitions: count(3, 10_000, 'Partitions of a topic made by the bridge.'),
          replicationFactor: count(3, 100, 'Copies of each partition.'),
          properties: z
            .record(z.string(), z.union([z.string(), z.number()]))
            .default({})
            .describe('Kafka topic configs.'),
          listedWithinMs: duration(60_000, 'How long a new topic may take to be listed.'),
        }),
      ])
      .default(false)
      .describe('Make a topic that a route names and the cluster lacks; false: never.'),
  });
}

function storageSchema({ text, url, secret }: Fields) {
  const tablePrefix = text('Put before every table name.')
    .refine((value) => tableNamePart.test(value), 'must be letters and digits, beginning with a letter')
    .default('sluice');
  return z
    .union([
      z.strictObject({
        connectionString: secret('Connection string of the storage account.').refine(
          (value) => connectionString.test(value.reveal()),
          'must be a connection string such as DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…',
        ),
        tablePrefix,
      }),
      z.strictObject({
        tablesUrl: url(
          'Table endpoint, https://<account>.table.core.windows.net, reached by managed identity.',
        ),
        clientId: text(
          'The client id of a user-assigned identity; the system-assigned one without it.',
        ).optional(),
        tablePrefix,
      }),
    ])
    .prefault({ connectionString: '${AzureWebJobsStorage}' })
    .describe('Where checkpoints, parked records, dead letters, the outbox and receipts are kept.');
}

const drainSchema = z
  .strictObject({
    mode: z
      .enum(['inline', 'queue'])
      .default('inline')
      .describe(
        'inline: the timer walks the partitions itself. queue: it puts a message for each on a Storage queue, so that the platform scales the walks over instances.',
      ),
    cron: cronField('When the drain looks for new records.').default('*/10 * * * * *'),
    budgetMs: duration(
      240_000,
      'A run stops in time before this; keep it below functionTimeout of host.json.',
    ),
    leaseMs: duration(
      60_000,
      'How long a partition stays with one run between two checkpoints; at least twice the timeoutMs of any endpoint.',
    ),
    partitionsMax: count(8, 256, 'Partitions walked at once.'),
    pageRecords: count(1_000, 10_000, 'Most records asked for in one read; fewer where they are large.'),
    windowRecords: z
      .exactOptional(z.int().min(1).max(100_000))
      .describe(
        'Records of one partition that are under way or delivered since its checkpoint: the most that a crash delivers again. Without it, for each subscription twice what it may have under way (maxInFlight times recordsMax of its form; ordering partition: once recordsMax), but at least 1000.',
      ),
  })
  .describe('The way out: the timer-driven walk from checkpoints to webhooks.');

const limitsSchema = z
  .strictObject({
    bodyBytesMax: count(1_048_576, 104_857_600, 'Largest request body taken in.'),
    depthMax: count(64, 1_000, 'Deepest nesting of a JSON body.'),
    eventsMax: count(1_000, 5_000, 'Events in one batch.'),
    attributesBytesMax: count(16_384, 65_536, 'Bytes of the attributes of an event that come in headers.'),
    inFlightRequestsMax: count(1_000, 100_000, 'Requests under way at once on one instance; beyond: 429.'),
    inFlightBytesMax: count(
      67_108_864,
      1_073_741_824,
      'Bytes of bodies under way at once on one instance; beyond: 429.',
    ),
    retryAfterSeconds: count(5, 3_600, 'What a 429 or a 503 asks its sender to wait.'),
  })
  .describe('Bounds of the way in.');

/** A configuration as the bridge uses it: complete, with every reference filled. */
export type BridgeConfig = z.output<ReturnType<typeof bridgeConfigSchema>>;
/** `proxy` of the configuration. */
export type ProxyConfig = BridgeConfig['proxy'];
