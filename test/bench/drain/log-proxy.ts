import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { partitionCount } from './cases.ts';
import type { StandingTopic } from './standing-topic.ts';

export interface LogProxy {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  close(): Promise<void>;
}

const path =
  /^\/v1\/(?:metadata\/topics\/(?<listed>[^/]+)\/partitions(?:\/(?<one>\d+))?|consumer\/topics\/(?<read>[^/]+)\/partitions\/(?<of>\d+)\/offsets\/(?<offset>\d+)(?:\?count=(?<count>\d+))?)$/;

/**
 * Stands in for the Kafka REST proxy where the drain's speed is compared: what the consumer side of its contract
 * needs, over plain HTTP and without tokens, and as quick as it can be, since it is not what is measured.
 */
export async function startLogProxy(options: {
  /** 0 takes a free one. */
  readonly port: number;
  readonly topics: ReadonlyMap<string, StandingTopic>;
}): Promise<LogProxy> {
  const { topics } = options;
  const server = createServer((request, response) => {
    const { listed, one, read, of, offset, count } = path.exec(request.url ?? '')?.groups ?? {};
    const topic = topics.get(listed ?? read ?? '');
    if (topic === undefined || Number(one ?? of ?? 0) >= partitionCount) {
      return sendJson(response, 404, { error_code: 404, message: 'nothing is here' });
    }
    if (read !== undefined) {
      const { body, nextOffset } = topic.read(Number(of), Number(offset), Number(count ?? 1));
      response.writeHead(200, { ...jsonOf(body), NextOffset: nextOffset }).end(body);
      return;
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
  await once(server.listen(options.port, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, jsonOf(body)).end(body);
}

function jsonOf(body: Buffer) {
  return { 'content-type': 'application/json', 'content-length': body.length };
}
