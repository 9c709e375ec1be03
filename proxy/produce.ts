import { type Operation, param } from './call.ts';
import type { RecordError } from './faults.ts';
import type { TopicLog } from './log.ts';
import { createPartitioner } from './partitioner.ts';
import { readProduceBody } from './produce-body.ts';
import type { TopicView } from './topic-view.ts';

/** `POST /v1/producer/topics/{topic}`: appends the records and answers where each of them is, in their order. */
export function createProduce(options: { log: TopicLog; view: TopicView }): Operation {
  const { log, view } = options;
  const partitionFor = createPartitioner();

  return (call) => {
    const topic = view.topic(param(call, 'topic'));
    const records = readProduceBody(call.body, topic.partitionCount);
    const { recordError } = call;
    const accepted = records
      .filter(({ value }) => !isHit(value, recordError))
      .map((record) => ({ ...record, partition: partitionFor(topic.name, topic.partitionCount, record) }));
    const offsets = log.append(topic.name, accepted);

    let next = 0;
    const answers = records.map(({ value }) => {
      if (recordError !== undefined && isHit(value, recordError)) return failureText(recordError);
      const { partition } = accepted[next] ?? {};
      return `{"partition":${partition},"offset":${offsets[next++]},"error_code":null,"error":null}`;
    });
    return { status: 200, body: `{"offsets":[${answers.join(',')}]}` };
  };
}

function isHit(value: string, recordError: RecordError | undefined): boolean {
  return recordError !== undefined && value.includes(recordError.valueIncludes ?? '');
}

function failureText({ errorCode, message }: RecordError): string {
  return `{"partition":null,"offset":null,"error_code":${errorCode},"error":${JSON.stringify(message)}}`;
}
