import type { HttpAnswer, HttpRequest } from '../../../src/shared/http.ts';
import type { Instance } from '../platform/instance.ts';
import type { Chance } from '../world/chance.ts';
import type { World } from '../world/world.ts';
import type { Course } from './course.ts';
import { isProxyToken } from './secrets.ts';
import type { LogPartition, LogTopic, NewRecord, TopicLog } from './topic-log.ts';

/** A Kafka REST proxy at the level of HTTP, and everything that can be wrong with one. */
export interface ProxyModel {
  serve(request: HttpRequest, caller: Instance): Course;
  /** Tells of each call that writes, when it leaves. */
  onProduce(listener: (call: ProduceCall) => void): void;
  /** Lets the proxy be away for a while. */
  goAway(forMs: number): void;
}

/** A call that is to write records. */
export interface ProduceCall {
  readonly caller: Instance;
  readonly topic: string;
  readonly records: readonly NewRecord[];
  /** Characters of the records, as JSON. */
  readonly chars: number;
  /** It fails, and its caller cannot know whether anything was written. */
  readonly leavesOpen: boolean;
}

/** What proxies differ in where the vendor's reference says nothing. */
export interface ProxyManner {
  /** What answers a read at an offset that is not there. */
  readonly outOfRange: 'refused' | 'failed' | 'empty' | 'earliest';
  /** Whether a page says where to read next. */
  readonly nextOffset: boolean;
  /** How a produce call is answered: record by record, or by any text. */
  readonly produceAnswer: 'offsets' | 'text';
  /** Whether a page is an object that holds records or the bare list. */
  readonly pageForm: 'object' | 'array';
  /** How long a call takes at most when it is slow. */
  readonly slowMsMax: number;
}

/** The oldest metadata that a proxy shows. */
export const staleMsMax = 45_000;
/** How far before the offset that was asked for a page may begin. */
const earlyRecordsMax = 3;
const pageBytesMax = 6 * 65_536;

/** Makes the proxy of a world, in front of its log. */
export function createProxy(world: World, log: TopicLog): ProxyModel {
  const model = new Model(world, log);
  const listeners: ((call: ProduceCall) => void)[] = [];
  return {
    serve(request, caller) {
      const course = model.serve(request);
      if (request.method === 'POST') {
        const leavesOpen =
          course.kind === 'answered' ? course.leavesOpen === true : course.kind !== 'refused';
        for (const listener of listeners) listener({ caller, ...produceOf(request), leavesOpen });
      }
      return course;
    },
    onProduce: (listener) => listeners.push(listener),
    goAway: (forMs) => model.goAway(forMs),
  };
}

/** The only calls that are posted. */
function produceOf({ url, body }: HttpRequest): Pick<ProduceCall, 'topic' | 'records' | 'chars'> {
  const topic = decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '');
  const text = String(body ?? '');
  const { records } = JSON.parse(text);
  // All but what stands around the list and between its items.
  return { topic, records, chars: text.length - '{"records":[]}'.length - (records.length - 1) };
}

class Model {
  readonly #world: World;
  readonly #log: TopicLog;
  readonly #chance: Chance;
  readonly #manner: ProxyManner;
  /** Places where a page was empty once although there are records; a proxy that is late is not late for ever. */
  readonly #emptied = new Set<string>();
  readonly #revoked = new Set<string>();
  #awayUntilMs = 0;
  #cachedAtMs = Number.NEGATIVE_INFINITY;

  constructor(world: World, log: TopicLog) {
    this.#world = world;
    this.#log = log;
    this.#chance = world.chance('proxy');
    this.#manner = world.plan.proxy;
  }

  goAway(forMs: number): void {
    this.#awayUntilMs = this.#world.nowMs() + forMs;
    this.#world.note('proxy', () => `is away for ${forMs} ms`);
  }

  serve(request: HttpRequest): Course {
    const world = this.#world;
    const chance = this.#chance;
    const arrivesAfterMs = chance.latencyMs(4, 200);
    const answersAfterMs = chance.latencyMs(6, 500);
    const away = !world.healed && world.nowMs() < this.#awayUntilMs;
    if (away || world.strikes('proxy refuses connections')) return { kind: 'refused', arrivesAfterMs };
    const refusal = this.#refusal(request);
    if (refusal !== undefined) {
      return { kind: 'answered', arrivesAfterMs, answersAfterMs, handle: () => refusal };
    }
    const handle = () => this.#handle(request);
    if (world.strikes('proxy stalls')) {
      // What stalls on its way may still arrive, long after everybody has given it up.
      const lateMs = chance.happens(0.5) ? chance.integer(0, 60_000) : arrivesAfterMs;
      return { kind: 'stalls', arrivesAfterMs: lateMs, handle };
    }
    if (world.strikes('proxy loses answers'))
      return { kind: 'breaks', arrivesAfterMs, answersAfterMs, handle };
    if (world.strikes('proxy answers 5xx')) {
      const taken = chance.happens(0.5);
      const failed = failure(
        chance.oneOf([500, 502, 503, 504]),
        `something went wrong: ${JSON.stringify(request.headers)}`,
      );
      return {
        kind: 'answered',
        arrivesAfterMs,
        answersAfterMs,
        leavesOpen: true,
        handle: () => {
          if (taken) handle();
          return failed;
        },
      };
    }
    const slowMs = world.strikes('proxy is slow') ? chance.integer(100, this.#manner.slowMsMax) : 0;
    const slowThereMs = chance.happens(0.5) ? slowMs : 0;
    return {
      kind: 'answered',
      arrivesAfterMs: arrivesAfterMs + slowThereMs,
      answersAfterMs: answersAfterMs + slowMs - slowThereMs,
      handle,
    };
  }

  #refusal(request: HttpRequest): HttpAnswer | undefined {
    const [scheme, token = ''] = request.headers.authorization?.split(' ') ?? [];
    if (scheme !== 'Bearer' || !isProxyToken(token)) {
      this.#world.violated('the bridge proves itself', `the proxy gets "${request.headers.authorization}"`);
    }
    if (this.#world.strikes('proxy revokes a token')) this.#revoked.add(token);
    if (this.#revoked.has(token)) return failure(401, 'the token was revoked');
    if (this.#world.strikes('proxy forgets tokens')) return failure(401, `the token ${token} is not known`);
    if (this.#world.strikes('proxy throttles')) {
      return {
        ...failure(429, 'too many calls'),
        headers: { 'retry-after': String(this.#chance.integer(0, 5)) },
      };
    }
    if (this.#world.strikes('proxy forbids')) {
      return failure(this.#chance.oneOf([403, 405, 409]), 'not now');
    }
    return undefined;
  }

  #handle({ method, url, body }: HttpRequest): HttpAnswer {
    const { pathname, searchParams } = new URL(url);
    const parts = pathname.split('/').slice(2).map(decodeURIComponent);
    const [area, , name = '', , number = '', , offset = ''] = parts;
    if (method === 'PUT') return this.#create(parts[1] ?? '', String(body ?? ''));
    if (pathname === '/v1/metadata/topics') {
      return answer({ topics: this.#log.topicsAt(this.#seenAtMs()).map((topic) => topic.name) });
    }
    // Metadata may show for a while what was deleted.
    if (area === 'metadata' && this.#log.newest(name) !== undefined) return this.#bounds(name, parts[4]);
    const topic = this.#log.topics.get(name);
    if (topic === undefined) return failure(404, `no topic ${name}`);
    if (area === 'producer') return this.#produce(topic, JSON.parse(String(body ?? '')).records);
    const partition = topic.partitions[Number(number)];
    if (partition === undefined) return failure(404, `no partition ${number}`);
    return this.#consume(topic, Number(number), Number(offset), Number(searchParams.get('count') ?? 1));
  }

  #create(name: string, body: string): HttpAnswer {
    if (this.#log.topics.has(name)) return failure(409, 'the topic exists', 36);
    this.#log.create(name, Number(JSON.parse(body).partition_count ?? 1));
    this.#world.note('log', () => `has a new topic ${name}`);
    return answer('created');
  }

  /** The time of which metadata speak: now, or for a while the time at which they were cached. */
  #seenAtMs(): number {
    const nowMs = this.#world.nowMs();
    const cached = nowMs < this.#cachedAtMs + staleMsMax && !this.#world.healed;
    if (cached) return this.#cachedAtMs;
    if (!this.#world.strikes('proxy shows stale metadata')) return nowMs;
    this.#cachedAtMs = nowMs - this.#chance.integer(1, staleMsMax / 2);
    return this.#cachedAtMs;
  }

  #bounds(name: string, number: string | undefined): HttpAnswer {
    const atMs = this.#seenAtMs();
    const topic = this.#log.topicsAt(atMs).find((each) => each.name === name);
    if (topic === undefined) return failure(404, `no topic ${name}`);
    const shown: object[] = [];
    for (const [partition, each] of topic.partitions.entries()) {
      const bounds = boundsAt(each, atMs);
      // It was added later.
      if (bounds === undefined) break;
      shown.push({
        partition_id: partition,
        earliest_offset: bounds.earliest,
        latest_offset: bounds.latest,
      });
    }
    if (number === undefined) return answer({ topic: topic.name, partitions: shown });
    const one = shown[Number(number)];
    return one === undefined ? failure(404, `no partition ${number}`) : answer(one);
  }

  #produce(topic: LogTopic, records: readonly NewRecord[]): HttpAnswer {
    const isRefused =
      records.some(({ value }) => isTooLarge(value)) && this.#world.strikes('proxy refuses whole calls');
    if (isRefused) return failure(413, 'a record is too large');
    const failed = new Set<number>();
    const outcomes = records.map((record) => {
      const partition = this.#log.partitionFor(topic, record);
      if (partition >= topic.partitions.length) return { error_code: 3, error: 'no such partition' };
      if (isTooLarge(record.value)) return { error_code: 10, error: 'the record is too large' };
      // What follows a failed record within its partition fails with it, as a producer that keeps order does.
      if (failed.has(partition) || this.#world.strikes('proxy fails single records')) {
        failed.add(partition);
        return { error_code: 7, error: 'timed out' };
      }
      const { offset, event } = this.#log.append(topic, partition, record);
      this.#world.note('log', () => `${topic.name}/${partition}/${offset} = ${event} (key ${record.key})`);
      return { partition, offset };
    });
    if (this.#world.strikes('proxy hides failures')) return this.#hidden(outcomes);
    const anyFailed = outcomes.some((outcome) => 'error_code' in outcome);
    if (this.#manner.produceAnswer === 'text' && !anyFailed) return answer('written');
    return answer({ offsets: outcomes });
  }

  /** A 200 that says that the call has failed, or does not say what became of each record. */
  #hidden(outcomes: readonly object[]): HttpAnswer {
    const error = { error_code: 50_003, message: 'something went wrong' };
    return answer(this.#chance.oneOf([error, { offsets: outcomes.slice(1) }, { offsets: [] }]));
  }

  #consume(topic: LogTopic, number: number, asked: number, count: number): HttpAnswer {
    const partition = topic.partitions[number] as LogPartition;
    const { records, earliest, latest } = partition;
    if (asked < earliest || asked > latest) {
      if (this.#manner.outOfRange === 'refused') return failure(404, 'the offset is out of range', 1);
      if (this.#manner.outOfRange === 'failed') return failure(500, 'the offset is out of range', 1);
      if (this.#manner.outOfRange === 'empty' || asked > latest) return this.#page([], asked);
    }
    let most = count;
    let from = firstFrom(records, asked);
    if (this.#givesNothing(`${topic.name}/${number}/${asked}`, from < records.length)) {
      return this.#page([], asked);
    }
    if (this.#world.strikes('proxy begins a page early')) {
      const early = Math.max(firstFrom(records, earliest), from - this.#chance.integer(1, earlyRecordsMax));
      most += from - early;
      from = early;
    }
    let bytes = 0;
    const page: object[] = [];
    let next = asked;
    for (let index = from; index < records.length && page.length < most; index += 1) {
      const record = records[index];
      if (record === undefined) break;
      bytes += (record.value?.length ?? 0) + 200;
      if (page.length > 0 && bytes > pageBytesMax) break;
      const { key, value, offset, atMs } = record;
      page.push({ key, value, partition: number, offset, timestamp: atMs, timestampType: 'CREATE_TIME' });
      next = Math.max(asked, offset + 1);
    }
    // Where nothing but offsets without a record follows, some proxies point behind them.
    const atEnd = from + page.length >= records.length;
    if (atEnd && this.#chance.happens(0.5)) next = Math.max(next, latest);
    if (this.#world.strikes('proxy points beyond the end')) next = latest + this.#chance.integer(1, 1_000);
    return this.#page(page, next);
  }

  /** Whether a page is empty this time although there are records. */
  #givesNothing(place: string, isThere: boolean): boolean {
    if (!isThere || this.#emptied.has(place) || !this.#world.strikes('proxy gives an empty page'))
      return false;
    this.#emptied.add(place);
    return true;
  }

  #page(records: readonly object[], next: number): HttpAnswer {
    const { body, status } = answer(this.#manner.pageForm === 'array' ? records : { records });
    return { status, body, headers: this.#manner.nextOffset ? { nextoffset: String(next) } : {} };
  }
}

function boundsAt({ past }: LogPartition, atMs: number) {
  for (let index = past.length - 1; index >= 0; index -= 1) {
    const bounds = past[index];
    if (bounds !== undefined && bounds.atMs <= atMs) return bounds;
  }
  return undefined;
}

/** The index of the first record from `offset` on. */
function firstFrom(records: LogPartition['records'], offset: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((records[middle]?.offset ?? 0) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Events say so themselves when no broker is ever to take them. */
function isTooLarge(value: unknown): boolean {
  const { data = value } = value as { data?: unknown };
  return typeof data === 'object' && data !== null && 'tooLarge' in data && data.tooLarge === true;
}

function answer(body: unknown): HttpAnswer {
  return { status: 200, headers: {}, body: JSON.stringify(body) };
}

function failure(status: number, message: string, code = status * 100): HttpAnswer {
  return { status, headers: {}, body: JSON.stringify({ error_code: code, message }) };
}
