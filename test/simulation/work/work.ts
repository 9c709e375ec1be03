import { createHmac } from 'node:crypto';
import type { HttpHeaders } from '../../../src/events/http-binding.ts';
import type { Answer } from '../../../src/shared/answer.ts';
import { signingKey } from '../outside/secrets.ts';
import { sources, topics } from '../outside/topics.ts';
import { limits } from '../platform/app-config.ts';
import type { Host, Incoming } from '../platform/host.ts';
import type { Instance } from '../platform/instance.ts';
import type { World } from '../world/world.ts';
import { startTriggers } from './triggers.ts';

/** A source by which events come over HTTP. */
type Source = (typeof sources)[keyof typeof sources];

/** An event as its producer knows it. */
export interface SentEvent {
  readonly name: string;
  /** Its CloudEvents source and id, which together are its own; ids alone are not. */
  readonly source: string;
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  /** The source by which it comes over HTTP; undefined for what comes by a trigger. */
  readonly by?: Source;
  /** Its attributes travel as headers, and its data are the body. */
  readonly isBinary?: boolean;
  /** The value that its record must have; of an event that no route takes, what came in. */
  value(): unknown;
  /** The request by which it is sent, counted by producer. */
  readonly request: number;
  readonly sentMs: number;
  /** No broker will ever take it. */
  readonly tooLarge: boolean;
  /** It can be no record of a route. */
  readonly invalid: boolean;
  /** Characters that it carries for nothing but their size. */
  readonly padding: number;
  /** The bridge is configured to recognise it when it is sent again. */
  readonly recognised: boolean;
  /** No endpoint will ever take it. */
  readonly poison: boolean;
  /** When the bridge said that it has it; undefined as long as it has not. */
  acknowledgedMs: number | undefined;
  /** How often it was sent. */
  sendings: number;
  /** How often it was sent again although it had been acknowledged. */
  repeats: number;
  /** How often it was sent twice at once. */
  doubles: number;
  /** The instance that said so last, where it came over HTTP. */
  takenBy: string | undefined;
  /** When the last request that carried it ended, and how many have not. */
  endedMs: number;
  open: number;
  /** It was sent anew without those that failed the request with which it came first. */
  parted: boolean;
}

/** What producers have sent. */
export interface Work {
  readonly events: readonly SentEvent[];
  /** Whether all have done what they had to do, and nobody waits for an answer. */
  readonly done: boolean;
  event(name: string): SentEvent | undefined;
  /** The event of a CloudEvents source that has this id. */
  eventOf(source: string, id: string): SentEvent | undefined;
  /** Tells of each request that is answered. */
  onAnswer(listener: (events: readonly SentEvent[], answer: Answer) => void): void;
  /** Tells of each event whose trigger has ended well. */
  onTaken(listener: (event: SentEvent) => void): void;
}

/** Where all that is sent is written down. */
export interface Book {
  add(event: SentEvent): void;
  /** The trigger of an event has ended well. */
  taken(event: SentEvent): void;
  /** Somebody has something to do until it is `finished`. */
  begun(): void;
  finished(): void;
}

const keysOfProducer = 2;
const eventsOfRequestMax = 4;
const patienceMs = 30_000;
const sendingsMax = 8;
/** Some producers send so many requests in a hurry, and then nothing for as long as it evens out. */
const burstShare = 0.4;
const burstRequests = 12;
const hurry = 0.02;
const repeatShare = 0.1;
const doubledShare = 0.05;
const webhookShare = 0.5;
const binaryShare = 0.5;
/** Of the events of producers that use ids again, where there are any. */
const reusedShare = 0.5;
const surelyMs = 1_000;
/** Of the requests of these producers, so many hold their first event twice. */
const twiceShare = 0.3;
const json = 'application/json';
/** Leaves room for the rest of a request. */
const requestPaddingMax = 60_000;

/** Lets producers send the events of the plan, each one request after the other. */
export function startWork(world: World, host: Host): Work {
  const events: SentEvent[] = [];
  const byName = new Map<string, SentEvent>();
  const bySource = new Map<string, SentEvent>();
  const listeners: ((events: readonly SentEvent[], answer: Answer) => void)[] = [];
  const takenListeners: ((event: SentEvent) => void)[] = [];
  const { plan } = world;
  let unfinished = 0;
  const book: Book = {
    add(event) {
      events.push(event);
      byName.set(event.name, event);
      bySource.set(`${event.source} ${event.id}`, event);
    },
    taken(event) {
      event.acknowledgedMs ??= world.nowMs();
      for (const listener of takenListeners) listener(event);
    },
    begun() {
      unfinished += 1;
    },
    finished() {
      unfinished -= 1;
    },
  };

  /** Sends a request; it is answered, or its instance dies. */
  function request(batch: readonly SentEvent[], settle: (answer: Answer | 'broken') => void): void {
    let over = false;
    book.begun();
    for (const event of batch) event.open += 1;
    host.request(requestOf(batch, world.nowMs()), (answer, instance) => {
      if (over) return;
      over = true;
      book.finished();
      for (const event of batch) {
        event.open -= 1;
        event.endedMs = world.nowMs();
      }
      if (answer !== 'broken') {
        if (answer.status === 202) {
          for (const event of batch) {
            event.acknowledgedMs ??= world.nowMs();
            event.takenBy = instance?.name;
          }
        }
        for (const listener of listeners) listener(batch, answer);
      }
      settle(answer);
    });
  }

  for (let index = 0; index < plan.producers; index += 1) {
    startProducer(`p${index}`, Math.ceil(plan.events / plan.producers));
  }
  startTriggers(world, host, book);
  watchRoom(world, host);

  function startProducer(producer: string, count: number): void {
    const chance = world.chance(`producer ${producer}`);
    const doubles = world.chance(`doubles of ${producer}`);
    const sizes = world.chance(`sizes of ${producer}`);
    const habits = world.chance(`habits of ${producer}`);
    /** Events whose ids may be used again. */
    const past: SentEvent[] = [];
    const isBursty = world.chance(`pace of ${producer}`).happens(burstShare);
    const pauseMs = (plan.minutes * 60_000) / count;
    let made = 0;
    let requests = 0;
    let requestPadding = 0;
    let sparedMs = 0;
    book.begun();

    function makeEvent(by: Source, isBinary: boolean): SentEvent {
      made += 1;
      const padding = world.strikes('event is large') ? sizes.oneOf(plan.ingest.paddings) : 0;
      const fits = requestPadding + padding <= requestPaddingMax;
      if (fits) requestPadding += padding;
      const tooLarge = world.strikes('event is never produced');
      const poison = world.strikes('event is never taken');
      const name = `${producer}-${made}`;
      const key = `${producer}-k${chance.integer(1, keysOfProducer)}`;
      const event: SentEvent = {
        name,
        source: by === sources.hooks ? `/sources/${by}` : `/producers/${producer}`,
        id: (by === sources.orders && freeId()) || (by === sources.hooks ? name : `e${made}`),
        topic: by === sources.metrics ? topics.metrics : topics.orders,
        key,
        value: () => recordValueOf(event),
        by,
        isBinary,
        request: requests,
        sentMs: world.nowMs(),
        tooLarge,
        poison,
        // Of this source only the data are written, and it has none.
        invalid: by === sources.metrics && world.strikes('event fits no route'),
        padding: fits ? padding : 0,
        recognised: by !== sources.metrics,
        ...unsent(),
      };
      return event;
    }

    /** The id of an event that the bridge has forgotten by now, if the producer uses ids again. */
    function freeId(): string | undefined {
      if (!plan.ingest.reusesIds || !habits.happens(reusedShare)) return undefined;
      const forgottenMs = world.nowMs() - plan.ingest.recognisedSeconds * 1_000 - 2 * plan.skewMs - surelyMs;
      const free = past.findIndex(
        ({ acknowledgedMs, open, endedMs }) =>
          acknowledgedMs !== undefined && open === 0 && endedMs < forgottenMs,
      );
      return free < 0 ? undefined : past.splice(free, 1)[0]?.id;
    }

    function goOn(): void {
      if (made >= count) {
        book.finished();
        return;
      }
      const usual = chance.happens(0.7) ? sources.orders : sources.metrics;
      const isHook = plan.ingest.otherForms && usual === sources.orders && habits.happens(webhookShare);
      const source = isHook ? sources.hooks : usual;
      requests += 1;
      requestPadding = 0;
      const most = chance.happens(plan.ingest.severalRate) ? chance.integer(2, eventsOfRequestMax) : 1;
      const size = isHook ? 1 : Math.min(count - made, most);
      const isBinary =
        plan.ingest.otherForms && size === 1 && source === sources.orders && habits.happens(binaryShare);
      const batch = Array.from({ length: size }, () => makeEvent(source, isBinary));
      const [first] = batch;
      if (plan.requests?.has(first?.name ?? '') === false) {
        world.after(pauseAfter(batch), goOn);
        return;
      }
      for (const event of batch) book.add(event);
      if (source === sources.orders) past.push(...batch);
      const fitsTwice = first !== undefined && requestPadding + first.padding <= requestPaddingMax;
      if (fitsTwice && size > 1 && plan.ingest.reusesIds && habits.happens(twiceShare)) {
        first.doubles += 1;
        batch.push(first);
      }
      send(batch, world.healed);
    }

    /** @param well whether nothing has gone wrong any more since the events were first sent. */
    function send(batch: readonly SentEvent[], well: boolean): void {
      let waiting = true;
      const settle = (answer: Answer | 'broken' | 'late') => {
        if (!waiting) return;
        waiting = false;
        const status = typeof answer === 'string' ? answer : answer.status;
        world.note(producer, () => `gets ${status} for ${batch.map(({ name }) => name).join(' ')}`);
        if (status === 202) {
          // Some senders do not hear the answer, and send again what was taken.
          if (chance.happens(repeatShare)) world.after(chance.integer(10, 20_000), () => repeat(batch));
          world.after(pauseAfter(batch), goOn);
        } else if (status === 422) {
          const good = batch.filter(({ invalid }) => !invalid);
          for (const event of good) event.parted = true;
          world.after(pauseMs, () => (good.length === 0 ? goOn() : send(good, well)));
        } else if ((batch[0]?.sendings ?? 0) < sendingsMax) {
          world.after(chance.integer(500, 10_000), () => send(batch, well));
        } else {
          if (well) world.violated('senders are let in', `${batch[0]?.name} was sent ${sendingsMax} times`);
          world.after(pauseMs, goOn);
        }
      };
      for (const event of new Set(batch)) event.sendings += 1;
      world.note(producer, () => `sends ${batch.map(({ name, key }) => `${name} (key ${key})`).join(' ')}`);
      world.after(patienceMs, () => settle('late'));
      request(batch, settle);
      if (!doubles.happens(doubledShare)) return;
      for (const event of batch) event.doubles += 1;
      request(batch, () => undefined);
    }

    function pauseAfter(batch: readonly SentEvent[]): number {
      const usualMs = pauseMs * batch.length * 2 * chance.next();
      if (!isBursty) return usualMs;
      sparedMs += usualMs;
      if (requests % burstRequests !== 0) return usualMs * hurry;
      const restMs = sparedMs;
      sparedMs = 0;
      return restMs;
    }

    function repeat(batch: readonly SentEvent[]): void {
      for (const event of batch) event.repeats += 1;
      world.note(producer, () => `repeats ${batch.map(({ name }) => name).join(' ')}`);
      request(batch, () => undefined);
    }

    world.after(pauseMs * chance.next(), goOn);
  }

  return {
    events,
    event: (name) => byName.get(name),
    eventOf: (source, id) => bySource.get(`${source} ${id}`),
    get done() {
      return unfinished === 0;
    },
    onAnswer: (listener) => listeners.push(listener),
    onTaken: (listener) => takenListeners.push(listener),
  };
}

/** An instance has no more requests in at once, and no more bytes of them, than it is configured for. */
function watchRoom(world: World, host: Host): void {
  const inside = new Map<Instance, { requests: number; bytes: number }>();
  const { inFlightRequestsMax } = world.plan.ingest;
  host.onRequest((instance, { body }) => {
    const now = inside.get(instance) ?? { requests: 0, bytes: 0 };
    inside.set(instance, now);
    // Who was turned away has left at once, so these were let in.
    const tooMuch = now.requests > 1 && now.bytes > limits.inFlightBytesMax;
    if (now.requests > inFlightRequestsMax || tooMuch) {
      world.violated(
        'limits are kept',
        `${instance.name} has ${now.requests} requests in, ${now.bytes} bytes`,
      );
    }
    const isTooMany = now.requests >= inFlightRequestsMax;
    const hasRoom =
      !isTooMany && (now.requests === 0 || now.bytes + body.byteLength <= limits.inFlightBytesMax);
    now.requests += 1;
    now.bytes += body.byteLength;
    return ({ status }) => {
      now.requests -= 1;
      now.bytes -= body.byteLength;
      if (status === 429 && hasRoom) {
        world.violated('senders are let in', `${instance.name} has room, and turns a request away`);
      }
    };
  });
}

/** An event of which nobody has heard yet. */
export function unsent() {
  return {
    acknowledgedMs: undefined,
    sendings: 0,
    repeats: 0,
    doubles: 0,
    takenBy: undefined,
    endedMs: 0,
    open: 0,
    parted: false,
  };
}

/** Whether an event was sent once only; then its history is that of one request. */
export function isSentOnce({ sendings, repeats, doubles }: SentEvent): boolean {
  return sendings + repeats + doubles === 1;
}

/** The only instance that ever saw an event on its way in; undefined where that is not sure. */
export function onlyTakerOf(event: SentEvent): string | undefined {
  return isSentOnce(event) ? event.takenBy : undefined;
}

/** The data of an event; they name it wherever it goes. */
export function dataOf({ name, key, tooLarge, poison, padding }: SentEvent) {
  return {
    event: name,
    key,
    ...(tooLarge && { tooLarge }),
    ...(poison && { poison }),
    ...(padding > 0 && { padding: '.'.repeat(padding) }),
  };
}

/** An event as a CloudEvent. */
export function cloudEventOf(event: SentEvent) {
  const { id, source, key, poison, invalid, isBinary } = event;
  return {
    specversion: '1.0',
    id,
    source,
    type: poison ? 'order.poison' : 'order.made',
    subject: key,
    ...(isBinary && { datacontenttype: json }),
    ...(!invalid && { data: dataOf(event) }),
  };
}

function recordValueOf(event: SentEvent): object {
  switch (event.by) {
    case sources.metrics:
      return dataOf(event);
    case sources.hooks:
      return eventOfHook(event);
    default:
      return cloudEventOf(event);
  }
}

/** What a webhook says of itself is an event to the bridge. */
function eventOfHook(event: SentEvent) {
  const { id, source } = event;
  const data = hookOf(event);
  const { type, timestamp: time } = data;
  return { specversion: '1.0', id, source, type, time, datacontenttype: json, data };
}

function hookOf(event: SentEvent) {
  const type = event.poison ? 'order.poison' : 'order.made';
  return { type, timestamp: new Date(event.sentMs).toISOString(), ...dataOf(event) };
}

function requestOf(batch: readonly SentEvent[], nowMs: number): Incoming {
  const [first] = batch;
  if (first?.by === undefined) throw new Error('a producer sends nothing');
  const isWebhook = first.by === sources.hooks;
  const inForm = isWebhook ? webhookOf(first, nowMs) : eventsOf(batch);
  const { headers, body } = first.isBinary ? binaryOf(first) : inForm;
  const bytes = new Uint8Array(Buffer.from(body));
  if (bytes.byteLength > limits.bodyBytesMax) throw new Error('a producer sends too much');
  return { sourceName: first.by, isWebhook, headers: headersOf(headers), body: bytes };
}

function eventsOf(batch: readonly SentEvent[]) {
  const events = batch.map(cloudEventOf);
  const [only] = events;
  const form = events.length === 1 ? 'application/cloudevents+json' : 'application/cloudevents-batch+json';
  return { headers: { 'content-type': form }, body: JSON.stringify(events.length === 1 ? only : events) };
}

/** A CloudEvent in binary mode. */
function binaryOf(event: SentEvent) {
  const { specversion, id, source, type, subject } = cloudEventOf(event);
  const headers = {
    'content-type': json,
    'ce-specversion': specversion,
    'ce-id': id,
    'ce-source': source,
    'ce-type': type,
    'ce-subject': subject,
  };
  return { headers, body: JSON.stringify(dataOf(event)) };
}

/** A webhook that is signed as Standard Webhooks says. */
function webhookOf(event: SentEvent, nowMs: number) {
  const body = JSON.stringify(hookOf(event));
  const timestamp = Math.floor(nowMs / 1_000);
  const signature = createHmac('sha256', signingKey)
    .update(`${event.id}.${timestamp}.${body}`)
    .digest('base64');
  const headers = {
    'content-type': json,
    'webhook-id': event.id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${signature}`,
  };
  return { headers, body };
}

function headersOf(headers: Readonly<Record<string, string>>): HttpHeaders {
  return {
    get: (name) => headers[name] ?? null,
    [Symbol.iterator]: () => Object.entries(headers)[Symbol.iterator](),
  };
}
