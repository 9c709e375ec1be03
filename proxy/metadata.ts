import type { OffsetRange, TopicInfo, TopicLog } from './log.ts';
import { parseBodyBy } from './request-body.ts';
import { RestError } from './rest-error.ts';
import { type Answer, type Operation, param } from './routes.ts';
import { brokerCount, createTopicSchema } from './topic.ts';
import { checkTopicName, type TopicView } from './topic-view.ts';

/** `GET /v1/metadata/...` and `PUT /v1/topics/{topic}`. */
export interface MetadataOperations {
  readonly listBrokers: Operation;
  readonly listTopics: Operation;
  readonly listPartitions: Operation;
  readonly getPartition: Operation;
  readonly createTopic: Operation;
}

/**
 * Every partition is kept once, in this process. So that topics with the usual replication factors can be made,
 * it announces `brokerCount` brokers, all of them at `hostName` and `port`.
 */
export function createMetadataOperations(options: {
  log: TopicLog;
  view: TopicView;
  hostName: string;
  port: number;
}): MetadataOperations {
  const { log, view, hostName, port } = options;
  const broker = (id: number) => ({ hostName, port, id, rack: `rack-${id}` });
  const brokers = Array.from({ length: brokerCount }, (_, id) => broker(id));

  return {
    listBrokers: () => ok(JSON.stringify({ brokers })),
    listTopics: () => ok(JSON.stringify({ topics: view.names() })),
    listPartitions: (call) => {
      const topic = view.topic(param(call, 'topic'));
      const partitions = log
        .ranges(topic.name)
        .map((range, number) => partitionText({ topic, number, range, broker }));
      return ok(`{"topic":${JSON.stringify(topic.name)},"partitions":[${partitions.join(',')}]}`);
    },
    getPartition: (call) => {
      const topic = view.topic(param(call, 'topic'));
      const number = view.partition(topic, param(call, 'partition'));
      return ok(partitionText({ topic, number, range: log.range(topic.name, number), broker }));
    },
    createTopic: (call) => {
      const name = param(call, 'topic');
      checkTopicName(name);
      const body = parseBodyBy(createTopicSchema, call.body);
      if (log.topic(name) !== undefined) {
        throw new RestError('topic_already_exists', `There is already a topic "${name}".`);
      }
      log.createTopic({
        name,
        partitionCount: body.partition_count,
        replicationFactor: body.replication_factor,
        properties: body.topic_properties,
      });
      return ok(JSON.stringify(`Topic ${name} is created.`));
    },
  };
}

function ok(body: string): Answer {
  return { status: 200, body };
}

/** A `Partition` of the contract. Its int64 offsets are written digit for digit, so not by JSON.stringify. */
function partitionText(details: {
  topic: TopicInfo;
  number: number;
  range: OffsetRange;
  broker: (id: number) => object;
}): string {
  const { topic, number, range, broker } = details;
  const replicas = Array.from({ length: topic.replicationFactor }, (_, index) =>
    broker((number + index) % brokerCount),
  );
  const replicasText = JSON.stringify(replicas);
  return (
    `{"partition_id":${number},"earliest_offset":${range.earliest},"latest_offset":${range.latest},` +
    `"leader":${JSON.stringify(replicas[0])},"replicas":${replicasText},"isr":${replicasText}}`
  );
}
