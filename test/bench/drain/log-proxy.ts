import { createServer } from 'node:http';
import { type LoopbackServer, listenOnLoopback } from '../../../local/loopback.ts';
import { sendJson } from '../http-body.ts';
import { partitionCount } from './cases.ts';
import type { StandingTopic } from './standing-topic.ts';

const path =
  /^\/v1\/(?:metadata\/topics\/(?<listed>[^/]+)\/partitions(?:\/(?<one>\d+))?|consumer\/topics\/(?<read>[^/]+)\/partitions\/(?<of>\d+)\/offsets\/(?<offset>\d+)(?:\?count=(?<count>\d+))?)$/;

/**
 * Stands in for the Kafka REST proxy where the drain's speed is compared: what the consumer side of its contract
 * needs, over plain HTTP and without tokens, and as quick as it can be, since it is not what is measured.
 */
export function startLogProxy(topics: ReadonlyMap<string, StandingTopic>): Promise<LoopbackServer> {
  const server = createServer((request, response) => {
    const { listed, one, read, of, offset, count } = path.exec(request.url ?? '')?.groups ?? {};
    const topic = topics.get(listed ?? read ?? '');
    if (topic === undefined || Number(one ?? of ?? 0) >= partitionCount) {
      return sendJson(response, 404, { error_code: 404, message: 'nothing is here' });
    }
    if (read !== undefined) {
      const { body, nextOffset } = topic.read(Number(of), Number(offset), Number(count ?? 1));
      return sendJson(response, 200, body, { NextOffset: nextOffset });
    }
    const describe = (partition: number) => {
      const { earliest, latest } = topic.bounds(partition);
      return { partition_id: partition, earliest_offset: earliest, latest_offset: latest };
    };
    if (one !== undefined) sendJson(response, 200, describe(Number(one)));
    else {
      const partitions = Array.from({ length: partitionCount }, (_, partition) => describe(partition));
      sendJson(response, 200, { topic: listed, partitions });
    }
  });
  return listenOnLoopback(server, { host: '127.0.0.1', port: 0 });
}
