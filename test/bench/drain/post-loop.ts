import { Agent, request } from 'undici';
import { idPlaceholder, orderEventJson } from '../order-event.ts';
import type { Tally } from '../tally.ts';
import { partitionCount } from './cases.ts';
import { valueBytesMin } from './record-pages.ts';
import { refused } from './refused.ts';

/** What the ceiling posts, and how. */
export interface PostLoop {
  readonly url: string;
  readonly batch: number;
  /** Requests under way at once for one partition, and in all. */
  readonly maxInFlight: number;
  readonly connectionsMax: number;
  /** It ends after so many records, or after so long. */
  readonly records: number;
  readonly ms: number;
}

/**
 * Posts the bodies that the bridge would send, from memory: undici's `request` in as many loops as the bridge has
 * deliveries under way, and nothing else.
 *
 * @returns what was answered 200.
 */
export async function runPostLoop(options: PostLoop): Promise<Tally> {
  const { batch, maxInFlight, connectionsMax, records } = options;
  const agent = new Agent({ connections: connectionsMax, pipelining: 1 });
  const endMs = performance.now() + options.ms;
  const acknowledged = { events: 0, idSum: 0 };
  let next = 0;

  const post = async () => {
    const delivery = createDelivery(batch);
    while (next < records && performance.now() < endMs) {
      const count = Math.min(batch, records - next);
      const first = next;
      next += count;
      const { body, headers } = delivery.of(first, count);
      const answer = await request(options.url, { method: 'POST', dispatcher: agent, headers, body });
      await answer.body.dump();
      if (answer.statusCode !== 200) throw refused(options.url, 200, answer.statusCode);
      acknowledged.events += count;
      acknowledged.idSum += (count * (first + first + count - 1)) / 2;
    }
  };
  await Promise.all(Array.from({ length: partitionCount * maxInFlight }, post));
  await agent.close();
  return acknowledged;
}

/** One body, used again and again: only the ids in it change. */
function createDelivery(batch: number) {
  const value = orderEventJson(valueBytesMin);
  const idAt = value.indexOf(idPlaceholder);
  const open = batch === 1 ? '' : '[';
  const whole = Buffer.from(
    batch === 1 ? value : `[${Array.from({ length: batch }, () => value).join(',')}]`,
  );
  const type = batch === 1 ? 'application/cloudevents+json' : 'application/cloudevents-batch+json';
  return {
    of: (first: number, count: number) => {
      const bytes = open.length + count * (value.length + 1);
      const body = batch === 1 || count === batch ? whole : Buffer.from(whole.subarray(0, bytes));
      if (body !== whole) body.write(']', bytes - 1, 'latin1');
      for (let index = 0; index < count; index += 1) {
        const at = open.length + index * (value.length + 1) + idAt;
        body.write(String(first + index).padStart(idPlaceholder.length, '0'), at, 'latin1');
      }
      const headers = {
        'content-type': `${type}; charset=utf-8`,
        'user-agent': 'sluice',
        'webhook-id': `ceiling_0_${first}`,
        'webhook-timestamp': '1769860800',
      };
      return { body, headers };
    },
  };
}
