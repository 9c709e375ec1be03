import type { EventsRequest } from '../../../src/ingest/receive.ts';
import type { WebhookRequest } from '../../../src/ingest/verify/provider.ts';
import type { Answer } from '../../../src/shared/answer.ts';
import { everyMinute } from '../world/every-minute.ts';
import type { World } from '../world/world.ts';
import type { App } from './app.ts';
import { type Instance, startInstance } from './instance.ts';

/** The platform: it starts instances, sends them requests and messages, and fires their timers, all unreliably. */
export interface Host {
  readonly instances: readonly Instance[];
  /** Sends a request to some instance. */
  request(request: Incoming, settle: (answer: Answer | 'broken', instance?: Instance) => void): void;
  /** Tells of each request that an instance begins to handle; what a listener gives back is called with its answer. */
  onRequest(listener: RequestListener): void;
  /** Runs work on some instance, as a queue trigger does; `lost`: the instance died. */
  run(
    what: string,
    work: (app: App) => Promise<void>,
    ended: (how: 'done' | 'failed' | 'lost') => void,
  ): void;
  /** A timer: fires `run` on some instance every so often. */
  timer(name: string, everyMs: number, run: (app: App) => Promise<void>): void;
}

/** A request with events, or one that is a provider's webhook. */
export interface Incoming extends EventsRequest {
  readonly sourceName: string;
  readonly isWebhook: boolean;
}

/** Is told of a request that an instance begins to handle, and gives back what is to be told of its answer. */
export type RequestListener = (instance: Instance, request: Incoming) => (answer: Answer) => void;

/** A singleton timer is locked by a lease of so long; whoever is frozen for longer has lost it. */
const timerLockMs = 60_000;
const restartMsMax = 30_000;

interface Running {
  readonly instance: Instance;
  readonly app: Promise<App>;
}

/** Starts the platform with the instances of the plan. */
export function startHost(world: World, start: (instance: Instance) => Promise<App>): Host {
  const chance = world.chance('host');
  const running: Running[] = [];
  const listeners: RequestListener[] = [];
  let started = 0;

  function launch(): void {
    started += 1;
    const { skewMs } = world.plan;
    const instance = startInstance(world, `i${started}`, chance.integer(-skewMs, skewMs));
    world.note(instance.name, () => 'starts');
    const running1: Running = { instance, app: start(instance) };
    running.push(running1);
    instance.onDeath(() => {
      running.splice(running.indexOf(running1), 1);
      // The platform notices, and another instance takes its place.
      world.after(chance.integer(100, restartMsMax), launch);
    });
  }
  for (let index = 0; index < world.plan.instances; index += 1) launch();
  startClocks(world, running);

  /** Runs work of an instance, to its end or to the instance's death. */
  function invoke(
    { instance, app }: Running,
    work: (app: App) => Promise<void>,
    ended: (error?: unknown) => void,
  ): void {
    instance.enter(() => {
      app.then(work).then(() => ended(), ended);
    });
  }

  return {
    get instances() {
      return running.map(({ instance }) => instance);
    },

    request(request, settle) {
      if (running.length === 0) {
        world.after(50, () => settle('broken'));
        return;
      }
      const target = chance.oneOf(running);
      target.instance.onDeath(() => world.after(10, () => settle('broken')));
      world.after(chance.latencyMs(5, 300), () =>
        invoke(
          target,
          async ({ bridge, invocation }) => {
            const ends = listeners.map((listener) => listener(target.instance, request));
            const answer = await (request.isWebhook
              ? bridge.ingest.receiveFromProvider(request.sourceName, webhookOf(request), invocation())
              : bridge.ingest.receive(request, invocation()));
            for (const end of ends) end(answer);
            world.after(chance.latencyMs(5, 300), () => settle(answer, target.instance));
          },
          (error) => {
            if (error === undefined) return;
            world.violated('nothing is thrown at senders', String(error));
          },
        ),
      );
    },

    onRequest: (listener) => listeners.push(listener),

    run(what, work, ended) {
      if (running.length === 0) {
        world.after(restartMsMax, () => ended('lost'));
        return;
      }
      const target = chance.oneOf(running);
      let over = false;
      const end = (how: 'done' | 'failed' | 'lost') => {
        if (over) return;
        over = true;
        ended(how);
      };
      target.instance.onDeath(() => end('lost'));
      world.note(target.instance.name, () => `${what} begins`);
      invoke(target, work, (error) => {
        world.note(target.instance.name, () => `${what} ends${error === undefined ? '' : `: ${error}`}`);
        end(error === undefined ? 'done' : 'failed');
      });
    },

    timer(name, everyMs, run) {
      let lockedUntilMs = 0;
      let holder: Instance | undefined;
      const fire = () => {
        const awake = running.filter(({ instance }) => !instance.frozen);
        if (awake.length === 0) return;
        const target = chance.oneOf(awake);
        holder = target.instance;
        world.note(target.instance.name, () => `timer ${name} fires`);
        invoke(target, run, (error) => {
          if (holder === target.instance) holder = undefined;
          world.note(
            target.instance.name,
            () => `timer ${name} ends${error === undefined ? '' : `: ${error}`}`,
          );
        });
      };
      const tick = () => {
        world.after(everyMs, tick);
        if (world.strikes('timer lapses')) return;
        // Whoever holds the lock renews it, as long as it lives and is awake.
        if (holder?.alive && !holder.frozen) lockedUntilMs = world.nowMs() + timerLockMs;
        else if (holder !== undefined && !holder.alive) holder = undefined;
        const locked = holder !== undefined && world.nowMs() < lockedUntilMs;
        if (!locked) fire();
        if (world.strikes('timer doubles')) world.after(chance.integer(0, 2_000), fire);
      };
      world.after(chance.integer(0, everyMs), tick);
    },
  };
}

function webhookOf({ sourceName, headers, body }: Incoming): WebhookRequest {
  return {
    url: `https://bridge.test/api/webhooks/${sourceName}`,
    header: (name) => headers.get(name) ?? undefined,
    body,
  };
}

/** Sets the clocks of instances now and then, forwards and back, within what they may be wrong. */
function startClocks(world: World, running: readonly Running[]): void {
  const { skewMs } = world.plan;
  const chance = world.chance('clocks');
  everyMinute(world, 'clock is set', () => {
    if (running.length > 0) chance.oneOf(running).instance.setClock(chance.integer(-skewMs, skewMs));
  });
}
