/** A call to the proxy, before an address, a token and a deadline are added. */
export interface ProxyRequest {
  readonly method: 'GET' | 'PUT' | 'POST';
  /** Path and query, beginning with `/v1`. */
  readonly path: string;
  readonly body?: string;
}

/** A record as the proxy takes it. `value` is any JSON; the proxy keeps no headers. */
export interface ProduceRecord {
  readonly value: unknown;
  readonly key?: string;
  readonly partition?: number;
}

/** How a topic is made; the cluster's own defaults fill what is left out. */
export interface TopicSettings {
  readonly partitions?: number;
  readonly replicationFactor?: number;
  /** Kafka topic configs, such as `retention.ms`. */
  readonly properties?: Readonly<Record<string, string | number>>;
}

const metadata = '/v1/metadata';

/** `GET /v1/metadata/brokers` */
export function listBrokersRequest(): ProxyRequest {
  return { method: 'GET', path: `${metadata}/brokers` };
}

/** `GET /v1/metadata/topics` */
export function listTopicsRequest(): ProxyRequest {
  return { method: 'GET', path: `${metadata}/topics` };
}

/** `GET /v1/metadata/topics/{topic}/partitions` */
export function listPartitionsRequest(topic: string): ProxyRequest {
  return { method: 'GET', path: `${metadata}/topics/${encodeURIComponent(topic)}/partitions` };
}

/** `GET /v1/metadata/topics/{topic}/partitions/{partition}` */
export function getPartitionRequest(topic: string, partition: number): ProxyRequest {
  return { method: 'GET', path: `${metadata}/topics/${encodeURIComponent(topic)}/partitions/${partition}` };
}

/** `PUT /v1/topics/{topic}` */
export function createTopicRequest(topic: string, settings: TopicSettings): ProxyRequest {
  const body = JSON.stringify({
    partition_count: settings.partitions,
    replication_factor: settings.replicationFactor,
    topic_properties: settings.properties,
  });
  return { method: 'PUT', path: `/v1/topics/${encodeURIComponent(topic)}`, body };
}

/** `POST /v1/producer/topics/{topic}` */
export function produceRequest(topic: string, records: readonly ProduceRecord[]): ProxyRequest {
  return {
    method: 'POST',
    path: `/v1/producer/topics/${encodeURIComponent(topic)}`,
    body: JSON.stringify({ records }),
  };
}

/** `GET /v1/consumer/topics/{topic}/partitions/{partition}/offsets/{offset}?count={n}` */
export function consumeRequest(position: {
  topic: string;
  partition: number;
  offset: bigint;
  count: number;
}): ProxyRequest {
  const { topic, partition, offset, count } = position;
  return {
    method: 'GET',
    path: `/v1/consumer/topics/${encodeURIComponent(topic)}/partitions/${partition}/offsets/${offset}?count=${count}`,
  };
}
