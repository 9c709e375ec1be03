const int32 = { type: 'integer', format: 'int32' };
const int64 = { type: 'integer', format: 'int64', minimum: 0 };

/** The contract's shapes in JSON Schema, by the names they have in the OpenAPI document. */
export const schemas = {
  Error: object({ error_code: int32, message: { type: 'string' } }),
  Broker: object({
    hostName: { type: 'string' },
    port: int32,
    id: int32,
    rack: { type: 'string' },
  }),
  Brokers: object({ brokers: listOf('Broker') }),
  Topics: object({ topics: { type: 'array', uniqueItems: true, items: { type: 'string' } } }),
  Partition: object({
    partition_id: int32,
    earliest_offset: int64,
    latest_offset: { ...int64, description: 'The next offset to be written.' },
    leader: { $ref: '#/components/schemas/Broker' },
    replicas: listOf('Broker'),
    isr: listOf('Broker'),
  }),
  Partitions: object({ topic: { type: 'string' }, partitions: listOf('Partition') }),
  ProduceRequest: object({ records: { ...listOf('NewRecord'), minItems: 1 } }),
  NewRecord: object(
    {
      value: {
        description: 'Any JSON. A string is kept as itself, all else as its JSON text, to the digit.',
      },
      key: { description: 'As value; null is the same as no key.' },
      partition: {
        type: ['integer', 'null'],
        minimum: 0,
        description: 'Without it, the key decides (murmur2, as in Kafka); without a key, each in turn.',
      },
    },
    ['value'],
  ),
  Produced: object({ offsets: listOf('ProducedRecord') }),
  ProducedRecord: object({
    partition: { type: ['integer', 'null'] },
    offset: { type: ['integer', 'null'], format: 'int64' },
    error_code: { type: ['integer', 'null'], description: 'If not null, this record is not appended.' },
    error: { type: ['string', 'null'] },
  }),
  Consumed: object({ records: listOf('Record') }),
  Record: object({
    key: { type: ['string', 'null'] },
    value: { type: 'string' },
    partition: int32,
    offset: int64,
    timestamp: { ...int64, description: 'Milliseconds since the Unix epoch.' },
    timestampType: { const: 'CREATE_TIME' },
  }),
  FaultCounts: object({
    rules: { type: 'array', items: { type: 'object', properties: { hits: int32 }, required: ['hits'] } },
  }),
};

function object(properties: Record<string, object>, required = Object.keys(properties)) {
  return { type: 'object', properties, required };
}

function listOf(name: string) {
  return { type: 'array', items: { $ref: `#/components/schemas/${name}` } };
}
