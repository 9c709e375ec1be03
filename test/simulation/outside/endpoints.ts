import type { HttpAnswer, HttpRequest } from '../../../src/shared/http.ts';
import { type Instance, operatorName } from '../platform/instance.ts';
import type { Chance } from '../world/chance.ts';
import { hashOf } from '../world/chance.ts';
import type { World } from '../world/world.ts';
import type { Course } from './course.ts';
import type { ProofsModel } from './proofs.ts';

/** A request that an endpoint has handled. */
export interface Arrival {
  readonly subscription: string;
  readonly request: HttpRequest;
  readonly status: number;
  readonly caller: Instance;
  /** Whether the caller hears of it: the answer is on its way and will be there in time. */
  readonly heard: boolean;
}

/** A request that has left its instance. */
export interface Sent extends Pick<Arrival, 'subscription' | 'request' | 'caller'> {
  /** How long its caller waits for what comes of it. */
  readonly lastsMs: number;
  /** What its caller hears then; undefined: no answer. */
  readonly status: number | undefined;
  readonly retryAfter: string | undefined;
}

/** The endpoints of all subscriptions, with everything that receivers do. */
export interface EndpointsModel {
  serve(subscription: string, request: HttpRequest, caller: Instance): Course;
  /** Lets one of the endpoints be away for a while. */
  goAway(subscription: string, forMs: number): void;
  /** Lets one of them refuse whatever comes for a while. */
  barTheWay(subscription: string, forMs: number): void;
  /** Tells of every request that leaves an instance. */
  onSent(listener: (sent: Sent) => void): void;
  /** Tells of every request that is handled. */
  onArrival(listener: (arrival: Arrival) => void): void;
}

const serverErrors = [500, 502, 504, 408, 425];
const clientErrors = [400, 403, 404, 409, 413, 422];
/** They speak of credentials, account, URL or method. */
const barring = [402, 403, 404, 405, 407];
const noAnswer: { readonly status: undefined; readonly headers: Readonly<Record<string, string>> } = {
  status: undefined,
  headers: {},
};
const successes = [200, 200, 201, 202, 204];

/** Makes the endpoints of all subscriptions of a world. */
export function createEndpoints(world: World, proofs: Pick<ProofsModel, 'refusalOf'>): EndpointsModel {
  const chance = world.chance('endpoints');
  const listeners: ((arrival: Arrival) => void)[] = [];
  const sentListeners: ((sent: Sent) => void)[] = [];
  const awayUntilMs = new Map<string, number>();
  const barredUntilMs = new Map<string, number>();
  const underway = new Map<string, number>();

  function isYet(untilMs: ReadonlyMap<string, number>, subscription: string): boolean {
    return !world.healed && world.nowMs() < (untilMs.get(subscription) ?? 0);
  }

  function answerOf(subscription: string, request: HttpRequest): HttpAnswer {
    if (isYet(awayUntilMs, subscription))
      return { status: chance.oneOf([500, 503]), headers: {}, body: 'away' };
    if (isYet(barredUntilMs, subscription)) {
      return { status: chance.oneOf(barring), headers: {}, body: 'nobody comes in' };
    }
    return proofs.refusalOf(subscription, request) ?? answerTo(world, chance, request);
  }

  return {
    goAway(subscription, forMs) {
      awayUntilMs.set(subscription, world.nowMs() + forMs);
      world.note('endpoints', () => `${subscription} is away for ${forMs} ms`);
    },
    barTheWay(subscription, forMs) {
      barredUntilMs.set(subscription, world.nowMs() + forMs);
      world.note('endpoints', () => `${subscription} lets nobody in for ${forMs} ms`);
    },
    onSent: (listener) => sentListeners.push(listener),
    onArrival: (listener) => listeners.push(listener),

    serve(subscription, request, caller) {
      const arrivesAfterMs = chance.latencyMs(10, 500);
      const paceMs = world.plan.subscriptions.find(({ name }) => name === subscription)?.answersAfterMs ?? 0;
      const answersAfterMs = chance.latencyMs(20, 2_000) + paceMs;
      const answer = answerOf(subscription, request);
      const handle = (heard: boolean) => () => {
        const { status } = answer;
        world.note(
          subscription,
          () => `answers ${status} to ${request.headers['webhook-id']} (${caller.name})`,
        );
        for (const listener of listeners) listener({ subscription, request, status, caller, heard });
        return answer;
      };
      /** The call is under way until just before its caller knows how it ended. */
      const lasts = (forMs: number, isAnswered: boolean) => {
        const lastsMs = Math.min(forMs, request.timeoutMs);
        const { status, headers } = isAnswered && forMs < request.timeoutMs ? answer : noAnswer;
        const retryAfter = headers['retry-after'];
        for (const listener of sentListeners) {
          listener({ subscription, request, caller, lastsMs, status, retryAfter });
        }
        // What lasts no time is over when the next may begin.
        if (lastsMs < 1) return;
        const name = `${subscription} ${caller.name}`;
        const now = (underway.get(name) ?? 0) + 1;
        underway.set(name, now);
        const { connectionsMax = 0 } =
          world.plan.subscriptions.find((each) => each.name === subscription) ?? {};
        // Each redrive counts as an instance of its own.
        if (now > connectionsMax && !caller.name.startsWith(operatorName)) {
          world.violated('limits are kept', `${now} calls at once to ${name}, of ${connectionsMax}`);
        }
        world.after(lastsMs - 1, () => underway.set(name, (underway.get(name) ?? 0) - 1));
      };

      const refused = isYet(awayUntilMs, subscription)
        ? chance.happens(0.5)
        : world.strikes('endpoint resets');
      if (refused) {
        lasts(arrivesAfterMs, false);
        return { kind: 'refused', arrivesAfterMs };
      }
      if (world.strikes('endpoint stalls')) {
        // What stalls on its way may still arrive, long after everybody has given it up.
        const lateMs = chance.happens(0.5) ? chance.integer(0, 40_000) : arrivesAfterMs;
        lasts(request.timeoutMs, false);
        return { kind: 'stalls', arrivesAfterMs: lateMs, handle: handle(false) };
      }
      const slowMs = world.strikes('endpoint is slow') ? chance.integer(100, 20_000) : 0;
      const tookMs = arrivesAfterMs + answersAfterMs + slowMs;
      const breaks = world.strikes('endpoint loses answers');
      lasts(tookMs, !breaks);
      return {
        kind: breaks ? 'breaks' : 'answered',
        arrivesAfterMs,
        answersAfterMs: answersAfterMs + slowMs,
        handle: handle(!breaks && tookMs < request.timeoutMs),
      };
    },
  };
}

/** Who refuses or fails repeats the headers of the request, as some receivers do. */
function answerTo(world: World, chance: Chance, { headers, body = '' }: HttpRequest): HttpAnswer {
  const repeated = JSON.stringify(headers);
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('utf8');
  // Some events no endpoint will ever take; some of these it refuses, at others it breaks.
  const poison = /"event":"([^"]+)"[^}]*"poison":true/.exec(text)?.[1];
  if (poison !== undefined)
    return { status: hashOf(poison) % 2 === 0 ? 422 : 500, headers: {}, body: repeated };
  if (world.strikes('endpoint is gone')) return { status: 410, headers: {}, body: 'gone' };
  if (world.strikes('endpoint throttles')) {
    const seconds = chance.integer(0, 20);
    const date = new Date(world.nowMs() + seconds * 1_000).toUTCString();
    const header = chance.oneOf([{}, { 'retry-after': String(seconds) }, { 'retry-after': date }]);
    return { status: chance.oneOf([429, 503]), headers: header, body: 'slowly' };
  }
  if (world.strikes('endpoint answers 5xx'))
    return { status: chance.oneOf(serverErrors), headers: {}, body: repeated };
  if (world.strikes('endpoint answers 4xx'))
    return { status: chance.oneOf(clientErrors), headers: {}, body: repeated };
  if (world.strikes('endpoint redirects')) return { status: 302, headers: { location: '/' }, body: '' };
  return { status: chance.oneOf(successes), headers: {}, body: 'thanks' };
}
