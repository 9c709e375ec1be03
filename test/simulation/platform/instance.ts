import type { Clock } from '../../../src/shared/clock.ts';
import { HttpError, type HttpSend } from '../../../src/shared/http.ts';
import type { Course } from '../outside/course.ts';
import type { World } from '../world/world.ts';

/**
 * One function instance: a process of the platform in which the real code runs. It can be frozen (whatever reaches
 * it waits until it thaws) and can die at any call to the outside, before or after the call has left; nothing that
 * it holds in memory survives, and none of its code ever runs again.
 */
export interface Instance {
  readonly name: string;
  /** Its own clock, which may be wrong. */
  readonly clock: Clock;
  /** The latest that its clock has ever shown; it may have been set back since. */
  readonly latestMs: number;
  /** When its clock was set last, in the world's time. */
  readonly setMs: number;
  /** Sets its clock, so that it is `skewMs` ahead of the world's. Its timers go on as they were. */
  setClock(skewMs: number): void;
  readonly alive: boolean;
  readonly frozen: boolean;
  /** When it thawed last, in the world's time. */
  readonly thawedMs: number;
  /** Runs code of the instance: at once, when it thaws, or never. */
  enter(work: () => void): void;
  /** A call from the instance to the outside; `serve` is the outside and settles it when it wants. */
  call<T>(what: string, serve: (caller: Caller<T>) => void): Promise<T>;
  /** An HTTP client of the instance; `serve` says what a request comes to. */
  http(serve: (request: Parameters<HttpSend>[0], caller: Instance) => Course): HttpSend;
  kill(): void;
  /** Tells when the instance is dead. */
  onDeath(notice: () => void): void;
}

/** The side of a call on which an instance waits. */
export interface Caller<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/** Instances called so serve operators: they neither die nor freeze. */
export const operatorName = 'operator';

/** Starts an instance whose clock is `skewMs` ahead of the world's. */
export function startInstance(world: World, name: string, skewMs: number): Instance {
  const chance = world.chance(`instance ${name}`);
  const notices: (() => void)[] = [];
  let alive = true;
  let thawedMs = Number.NEGATIVE_INFINITY;
  let setMs = Number.NEGATIVE_INFINITY;
  let aheadMs = skewMs;
  let latestBeforeMs = Number.NEGATIVE_INFINITY;
  let held: (() => void)[] | undefined;

  function enter(work: () => void): void {
    if (!alive) return;
    if (held === undefined) work();
    else held.push(work);
  }

  function freeze(): void {
    if (held !== undefined) return;
    const forMs = chance.integer(1_000, 180_000);
    world.note(name, () => `freezes for ${forMs} ms`);
    held = [];
    world.after(forMs, () => {
      const waiting = held ?? [];
      held = undefined;
      thawedMs = world.nowMs();
      if (!alive) return;
      world.note(name, () => 'thaws');
      for (const work of waiting) world.after(0, () => enter(work));
    });
  }

  const instance: Instance = {
    name,
    get alive() {
      return alive;
    },
    get frozen() {
      return held !== undefined;
    },
    get thawedMs() {
      return thawedMs;
    },
    clock: {
      now: () => world.nowMs() + aheadMs,
      sleep(delayMs, signal) {
        if (!alive) return never();
        return new Promise((resolve, reject) => {
          if (signal?.aborted) return reject(signal.reason);
          if (delayMs <= 0) return resolve();
          const cancel = world.after(Math.ceil(delayMs), () =>
            enter(() => {
              signal?.removeEventListener('abort', onAbort);
              resolve();
            }),
          );
          const onAbort = () => {
            cancel();
            reject(signal?.reason);
          };
          signal?.addEventListener('abort', onAbort, { once: true });
        });
      },
    },
    get latestMs() {
      return Math.max(latestBeforeMs, world.nowMs() + aheadMs);
    },
    get setMs() {
      return setMs;
    },
    setClock(nextMs) {
      world.note(name, () => `has its clock set from ${aheadMs} to ${nextMs} ms ahead`);
      latestBeforeMs = instance.latestMs;
      aheadMs = nextMs;
      setMs = world.nowMs();
    },
    enter,
    call(what, serve) {
      if (!alive) return never();
      const mortal = !name.startsWith(operatorName);
      if (mortal && world.strikes('instance dies')) {
        const sent = chance.happens(0.5);
        world.note(name, () => `dies ${sent ? 'after' : 'before'} calling ${what}`);
        instance.kill();
        if (sent) serve({ resolve: () => undefined, reject: () => undefined });
        return never();
      }
      if (mortal && world.strikes('instance freezes')) freeze();
      return new Promise((resolve, reject) => {
        serve({
          resolve: (value) => enter(() => resolve(value)),
          reject: (error) => enter(() => reject(error)),
        });
      });
    },
    http: (serve) => (request) =>
      instance.call(`${request.method} ${request.url}`, (caller) => {
        travel(world, request, serve(request, instance), caller);
      }),
    kill() {
      if (!alive) return;
      alive = false;
      held = undefined;
      for (const notice of notices.splice(0)) notice();
    },
    onDeath(notice) {
      notices.push(notice);
    },
  };
  return instance;
}

/** Carries a request to where it is handled and the answer back, within the time that the caller gives it. */
function travel(
  world: World,
  { timeoutMs, signal, url }: Parameters<HttpSend>[0],
  course: Course,
  caller: Caller<Awaited<ReturnType<HttpSend>>>,
): void {
  let waiting = true;
  const end = (settle: () => void) => {
    if (!waiting) return;
    waiting = false;
    cancelTimeout();
    signal?.removeEventListener('abort', onAbort);
    settle();
  };
  const fail = (failure: 'connect' | 'timeout' | 'aborted' | 'broken') =>
    end(() => caller.reject(new HttpError({ failure, message: `${failure}: ${url}` })));
  const onAbort = () => fail('aborted');
  const cancelTimeout = world.after(timeoutMs, () => fail('timeout'));
  if (signal?.aborted) fail('aborted');
  signal?.addEventListener('abort', onAbort, { once: true });

  world.after(course.arrivesAfterMs, () => {
    if (course.kind === 'refused') return fail('connect');
    if (course.kind === 'stalls') {
      course.handle();
      return;
    }
    const answer = course.handle();
    world.after(course.answersAfterMs, () => {
      if (course.kind === 'breaks') fail('broken');
      else end(() => caller.resolve(answer));
    });
  });
}

/** What a dead instance waits for. A new one each time: one shared by all would keep what waits for it alive. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}
