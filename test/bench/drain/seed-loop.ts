import { Agent, request } from 'undici';
import { partitionCount } from './cases.ts';
import { firstOffset } from './record-pages.ts';
import { refused } from './refused.ts';

/** What the seed's loop reads, and where it posts. */
export interface SeedLoop {
  readonly proxyUrl: string;
  readonly topic: string;
  readonly url: string;
  /** It ends after so long, or when it has read the topic to its end. */
  readonly ms: number;
}

/** What was answered 200, and how long that took. */
export interface SeedResult {
  readonly records: number;
  readonly ms: number;
}

/** As the sample asks. */
const count = 2;

interface ConsumerAnswer {
  readonly records: readonly { readonly value: string }[];
}

/**
 * The loop of Microsoft's sample for the proxy, as a drain: consume two records, post them one after another, go on
 * at `NextOffset` until there is no more; then the next partition. As there, every call has a connection of its own
 * (Python's `requests.get` keeps none), and no checkpoint is kept.
 */
export async function runSeedLoop({ proxyUrl, topic, url, ms }: SeedLoop): Promise<SeedResult> {
  const agent = new Agent({ connections: 1, pipelining: 1 });
  const startMs = performance.now();
  let records = 0;
  for (let partition = 0; partition < partitionCount; partition += 1) {
    let offset = String(firstOffset);
    while (performance.now() < startMs + ms) {
      const page = `${proxyUrl}/v1/consumer/topics/${topic}/partitions/${partition}/offsets/${offset}?count=${count}`;
      const consumed = await request(page, { dispatcher: agent, reset: true });
      const { records: read } = (await consumed.body.json()) as ConsumerAnswer;
      const next = consumed.headers.nextoffset;
      if (typeof next !== 'string' || next === offset || read.length === 0) break;
      for (const { value } of read) {
        const headers = { 'content-type': 'application/json' };
        const answer = await request(url, {
          method: 'POST',
          dispatcher: agent,
          reset: true,
          headers,
          body: value,
        });
        await answer.body.dump();
        if (answer.statusCode !== 200) throw refused(url, 200, answer.statusCode);
        records += 1;
      }
      offset = next;
    }
  }
  const tookMs = performance.now() - startMs;
  await agent.close();
  return { records, ms: tookMs };
}
