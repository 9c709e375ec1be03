import { z } from 'zod';
import { consumeCountMax } from './consume.ts';
import { faultRulesSchema } from './faults.ts';
import { schemas } from './openapi-schemas.ts';
import type { Route } from './routes.ts';
import { createTopicSchema } from './topic.ts';

/** `GET /openapi.json`: this API described in OpenAPI 3.1, for anyone. */
export function createOpenApiRoute(options: { hasControl: boolean }): Route {
  const body = JSON.stringify(createOpenApiDocument(options));
  return {
    method: 'GET',
    path: '/openapi.json',
    isPublic: true,
    operation: () => ({ status: 200, body }),
  };
}

/** Describes every operation; those of the control interface only where it is open. */
export function createOpenApiDocument({ hasControl }: { hasControl: boolean }) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sluice Kafka REST proxy',
      version: '1',
      description: 'The wire contract of the HDInsight Kafka REST proxy, version 1, over an embedded log.',
    },
    security: [{ bearer: [] }],
    paths: { ...metadataPaths, ...recordPaths, ...documentPath, ...(hasControl ? controlPaths : {}) },
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'A token for the audience https://hib.azurehdinsight.net, of a member of the group.',
        },
      },
      schemas,
    },
  };
}

const reasons: Readonly<Record<number, string>> = {
  400: 'The call is not as it should be; the message says what would be right.',
  401: 'There is no token, or no valid one.',
  403: 'The token is not that of a member of the group.',
  404: 'There is no such topic or partition.',
  405: 'The path does not take this method; Allow says which.',
  413: 'The body is too large: send fewer records.',
  500: 'The proxy failed.',
  503: "The token issuer's keys cannot be had; try again later.",
};

interface Description {
  readonly summary: string;
  readonly parameters?: readonly object[];
  readonly requestBody?: object;
  readonly success: { readonly description: string; readonly schema: object; readonly headers?: object };
  readonly refusals: readonly number[];
}

function describe({ success, refusals, ...rest }: Description) {
  const always = [401, 403, 405, 500, 503];
  const errors = [...refusals, ...always].map((status) => [
    status,
    { description: reasons[status], content: json(ref('Error')) },
  ]);
  const { schema, ...described } = success;
  return {
    ...rest,
    responses: { 200: { ...described, content: json(schema) }, ...Object.fromEntries(errors) },
  };
}

function json(schema: object) {
  return { 'application/json': { schema } };
}

function ref(name: keyof typeof schemas) {
  return { $ref: `#/components/schemas/${name}` };
}

function inPath(name: string, schema: object) {
  return { name, in: 'path', required: true, schema };
}

const topic = inPath('topic', { type: 'string', pattern: '^[a-zA-Z0-9._-]{1,249}$' });
const partition = inPath('partition', { type: 'integer', minimum: 0 });
const offset = inPath('offset', { type: 'integer', format: 'int64', minimum: 0 });
const count = {
  name: 'count',
  in: 'query',
  description: 'The most records to return.',
  schema: { type: 'integer', minimum: 1, maximum: consumeCountMax, default: 1 },
};

const metadataPaths = {
  '/v1/metadata/brokers': {
    get: describe({
      summary: 'List the brokers',
      success: { description: 'The brokers.', schema: ref('Brokers') },
      refusals: [],
    }),
  },
  '/v1/metadata/topics': {
    get: describe({
      summary: 'List the topics; one made or deleted just now may show up late',
      success: { description: 'The unique names.', schema: ref('Topics') },
      refusals: [],
    }),
  },
  '/v1/metadata/topics/{topic}/partitions': {
    get: describe({
      summary: 'List the partitions of a topic',
      parameters: [topic],
      success: { description: 'The partitions.', schema: ref('Partitions') },
      refusals: [400, 404],
    }),
  },
  '/v1/metadata/topics/{topic}/partitions/{partition}': {
    get: describe({
      summary: 'Get a partition of a topic',
      parameters: [topic, partition],
      success: { description: 'The partition.', schema: ref('Partition') },
      refusals: [400, 404],
    }),
  },
  '/v1/topics/{topic}': {
    put: describe({
      summary: 'Create a topic',
      parameters: [topic],
      requestBody: { content: json(z.toJSONSchema(createTopicSchema, { io: 'input' })) },
      success: { description: 'It is created.', schema: { type: 'string' } },
      refusals: [400, 413],
    }),
  },
};

const recordPaths = {
  '/v1/producer/topics/{topic}': {
    post: describe({
      summary: 'Produce records: all are appended, or those that are not are named in the answer',
      parameters: [topic],
      requestBody: { required: true, content: json(ref('ProduceRequest')) },
      success: { description: 'Where each record is, in their order.', schema: ref('Produced') },
      refusals: [400, 404, 413],
    }),
  },
  '/v1/consumer/topics/{topic}/partitions/{partition}/offsets/{offset}': {
    get: describe({
      summary:
        'Consume records from an offset: up to count, or 6 MB of keys and values, at least one if there is any',
      parameters: [topic, partition, offset, count],
      success: {
        description: 'The records; none at the latest offset.',
        schema: ref('Consumed'),
        headers: {
          NextOffset: { description: 'Where to read on.', schema: { type: 'integer', format: 'int64' } },
        },
      },
      refusals: [400, 404],
    }),
  },
};

const documentPath = {
  '/openapi.json': {
    get: {
      summary: 'Get this document',
      security: [],
      responses: { 200: { description: 'It.', content: json({ type: 'object' }) } },
    },
  },
};

const faultList = { description: 'The rules, each with its hits.', schema: ref('FaultCounts') };
const controlPaths = {
  '/control/faults': {
    get: describe({ summary: 'List the fault rules', success: faultList, refusals: [] }),
    put: describe({
      summary: 'Replace the fault rules; of those that fit a call and are not used up, the first applies',
      requestBody: { required: true, content: json(z.toJSONSchema(faultRulesSchema, { io: 'input' })) },
      success: faultList,
      refusals: [400, 413],
    }),
    delete: describe({ summary: 'Remove the fault rules', success: faultList, refusals: [] }),
  },
};
