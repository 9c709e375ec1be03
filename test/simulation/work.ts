import type { HttpHeaders } from '../../src/events/http-binding.ts';
import type { Answer } from '../../src/shared/answer.ts';
import { limits } from './app-config.ts';
import type { Host } from './host.ts';
import { sources } from './topics.ts';
import type { World } from './world.ts';

/** An event as its producer knows it. */
export interface SentEvent {
  readonly name: string;
  readonly key: string;
  readonly source: string;
  readonly producer: string;
  /** The request by which it is sent, counted by producer. */
  readonly request: number;
  readonly sentMs: number;
  /** No broker will ever take it. */
  readonly tooLarge: boolean;
  /** No endpoint will ever take it. */
  readonly poison: boolean;
  /** When the bridge said that it has it; undefined as long as it has not. */
  acknowledgedMs: number | undefined;
  /** How often it was sent. */
  sendings: number;
  /** How often it was sent again although it had been acknowledged. */
  repeats: number;
}

/** What producers have sent. */
export interface Work {
  readonly events: readonly SentEvent[];
  /** Whether every producer has done what it had to do. */
  readonly done: boolean;
  event(name: string): SentEvent | undefined;
  /** Tells of each event that is acknowledged, with what the bridge says of it. */
  onAcknowledged(listener: (event: SentEvent, outcome: SaidOfEvent) => void): void;
}

/** One event in the answer of the bridge. */
export interface SaidOfEvent {
  readonly outcome: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: number;
}

const keysOfProducer = 2;
const eventsOfRequestMax = 4;
const patienceMs = 30_000;
const sendingsMax = 8;
const repeatShare = 0.1;

/** Lets producers send the events of the plan, each one request after the other. */
export function startWork(world: World, host: Host): Work {
  const events: SentEvent[] = [];
  const byName = new Map<string, SentEvent>();
  const listeners: ((event: SentEvent, outcome: SaidOfEvent) => void)[] = [];
  const { plan } = world;
  let working = plan.producers;

  for (let index = 0; index < plan.producers; index += 1) {
    startProducer(`p${index}`, Math.ceil(plan.events / plan.producers));
  }

  function startProducer(producer: string, count: number): void {
    const chance = world.chance(`producer ${producer}`);
    const pauseMs = (plan.minutes * 60_000) / count;
    let made = 0;
    let requests = 0;

    function makeEvent(source: string): SentEvent {
      made += 1;
      const event: SentEvent = {
        name: `${producer}-${made}`,
        key: `${producer}-k${chance.integer(1, keysOfProducer)}`,
        source,
        producer,
        request: requests,
        sentMs: world.nowMs(),
        tooLarge: world.strikes('event is never produced'),
        poison: world.strikes('event is never taken'),
        acknowledgedMs: undefined,
        sendings: 0,
        repeats: 0,
      };
      events.push(event);
      byName.set(event.name, event);
      return event;
    }

    function goOn(): void {
      if (made >= count) {
        working -= 1;
        return;
      }
      const source = chance.happens(0.7) ? sources.orders : sources.metrics;
      requests += 1;
      const size = Math.min(count - made, chance.happens(0.3) ? chance.integer(2, eventsOfRequestMax) : 1);
      send(Array.from({ length: size }, () => makeEvent(source)));
    }

    function send(batch: readonly SentEvent[]): void {
      let waiting = true;
      const settle = (answer: Answer | 'broken' | 'late') => {
        if (!waiting) return;
        waiting = false;
        const status = typeof answer === 'string' ? answer : answer.status;
        world.note(producer, () => `gets ${status} for ${batch.map(({ name }) => name).join(' ')}`);
        if (typeof answer !== 'string' && answer.status === 202) {
          acknowledge(batch, answer);
          // Some senders do not hear the answer, and send again what was taken.
          if (chance.happens(repeatShare)) world.after(chance.integer(10, 20_000), () => repeat(batch));
          world.after(pauseMs * batch.length * 2 * chance.next(), goOn);
        } else if ((batch[0]?.sendings ?? 0) < sendingsMax) {
          world.after(chance.integer(500, 10_000), () => send(batch));
        } else {
          world.after(pauseMs, goOn);
        }
      };
      for (const event of batch) event.sendings += 1;
      world.note(producer, () => `sends ${batch.map(({ name, key }) => `${name} (key ${key})`).join(' ')}`);
      world.after(patienceMs, () => settle('late'));
      host.request(requestOf(batch), settle);
    }

    function repeat(batch: readonly SentEvent[]): void {
      for (const event of batch) event.repeats += 1;
      world.note(producer, () => `repeats ${batch.map(({ name }) => name).join(' ')}`);
      host.request(requestOf(batch), () => undefined);
    }

    function acknowledge(batch: readonly SentEvent[], answer: Answer): void {
      const said = (JSON.parse(answer.body) as { events: SaidOfEvent[] }).events;
      for (const [index, event] of batch.entries()) {
        event.acknowledgedMs ??= world.nowMs();
        const outcome = said[index];
        if (outcome === undefined) world.violated('every event has an outcome', event.name);
        else for (const listener of listeners) listener(event, outcome);
      }
    }

    world.after(pauseMs * chance.next(), goOn);
  }

  return {
    events,
    event: (name) => byName.get(name),
    get done() {
      return working === 0;
    },
    onAcknowledged: (listener) => listeners.push(listener),
  };
}

function requestOf(batch: readonly SentEvent[]) {
  const events = batch.map(({ name, key, producer, tooLarge, poison }) => ({
    specversion: '1.0',
    id: name,
    source: `/producers/${producer}`,
    type: poison ? 'order.poison' : 'order.made',
    subject: key,
    data: { event: name, key, ...(tooLarge && { tooLarge }), ...(poison && { poison }) },
  }));
  const [only] = events;
  const form = events.length === 1 ? 'application/cloudevents+json' : 'application/cloudevents-batch+json';
  const body = Buffer.from(JSON.stringify(events.length === 1 ? only : events));
  if (body.byteLength > limits.bodyBytesMax) throw new Error('a producer sends too much');
  return {
    sourceName: batch[0]?.source,
    headers: headersOf(form),
    body: new Uint8Array(body),
  };
}

function headersOf(contentType: string): HttpHeaders {
  return {
    get: (name) => (name === 'content-type' ? contentType : null),
    [Symbol.iterator]: () => [['content-type', contentType] as const].values(),
  };
}
