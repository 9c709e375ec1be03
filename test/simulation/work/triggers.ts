import { schedule, stores, topics } from '../outside/topics.ts';
import type { Host } from '../platform/host.ts';
import { beginningMs, type World } from '../world/world.ts';
import { type Book, cloudEventOf, dataOf, type SentEvent, unsent } from './work.ts';

// Loaded here, since what is loaded from the disk within a run comes when the machine wants.
await import('croner');

/** Event Grid waits this long for an answer. */
const patienceMs = 30_000;
/** Events that Event Grid pushes at most. */
export const pushedMax = 15;
const doubledShare = 0.1;
const minuteMs = 60_000;
/** The timer stops with the faults; a run that began before may make up for so much that comes due meanwhile. */
const lateMinutesMax = 15;

/** Lets events come by triggers, which answer nobody: pushed by Event Grid, and made by the clock. */
export function startTriggers(world: World, host: Host, book: Book): void {
  const chance = world.chance('triggers');
  if (chance.happens(0.5)) startEventGrid(world, host, book);
  if (chance.happens(0.5)) startSchedule(world, host, book);
}

/** What the witness calls an event that Event Grid pushes. */
export function pushedName(number: number): string {
  return `g-${number}`;
}

/** Event Grid pushes each event until its function has ended without an error. */
function startEventGrid(world: World, host: Host, book: Book): void {
  const chance = world.chance('event grid');
  const count = chance.integer(1, pushedMax);
  for (let made = 1; made <= count; made += 1) {
    const delayMs = chance.integer(0, world.plan.minutes * minuteMs);
    if (world.plan.requests?.has(pushedName(made)) === false) continue;
    book.begun();
    world.after(delayMs, () => {
      const event = pushedEvent(made);
      book.add(event);
      push(event);
    });
  }

  function pushedEvent(made: number): SentEvent {
    const event: SentEvent = {
      name: pushedName(made),
      source: stores,
      id: `e${made}`,
      topic: topics.orders,
      key: `g-k${chance.integer(1, 2)}`,
      value: () => (event.invalid ? inputOf(event) : recordOf(event)),
      request: made,
      sentMs: world.nowMs(),
      tooLarge: world.strikes('event is never produced'),
      invalid: world.strikes('event fits no route'),
      padding: 0,
      recognised: true,
      poison: false,
      ...unsent(),
    };
    return event;
  }

  function push(event: SentEvent): void {
    let over = false;
    const end = (isTaken: boolean) => {
      if (over) return;
      over = true;
      if (isTaken) book.finished();
      else world.after(chance.integer(1_000, 20_000), () => push(event));
    };
    attempt(event, end);
    world.after(patienceMs, () => {
      // The function may still run when the event comes again.
      if (!over) event.doubles += 1;
      end(false);
    });
    if (!chance.happens(doubledShare)) return;
    event.doubles += 1;
    attempt(event, () => undefined);
  }

  function attempt(event: SentEvent, ended: (isTaken: boolean) => void): void {
    event.sendings += 1;
    book.begun();
    host.run(
      `Event Grid ${event.name}`,
      ({ bridge, invocation }) => bridge.ingest.receiveFromEventGrid(inputOf(event), invocation()),
      (how) => {
        book.finished();
        if (how === 'done') book.taken(event);
        ended(how === 'done');
      },
    );
  }
}

/** Event Grid hands over events of either schema; an invalid one is of neither, or no route takes it. */
function inputOf(event: SentEvent): object {
  const isCloudEvent = event.request % 2 === 0;
  if (isCloudEvent)
    return {
      ...cloudEventOf(event),
      ...(event.invalid && { source: `${stores}/closed`, data: dataOf(event) }),
    };
  return {
    id: event.id,
    topic: event.source,
    subject: event.key,
    ...(!event.invalid && { eventType: 'order.made' }),
    eventTime: new Date(event.sentMs).toISOString(),
    data: dataOf(event),
    dataVersion: '1',
  };
}

/** What Event Grid's schema becomes is documented by Event Grid. */
function recordOf(event: SentEvent): object {
  if (event.request % 2 === 0) return cloudEventOf(event);
  return {
    ...cloudEventOf(event),
    time: new Date(event.sentMs).toISOString(),
    datacontenttype: 'application/json',
    dataversion: '1',
  };
}

/**
 * The platform fires the timer each minute, unless one run is still under way; what it misses, the next run makes up
 * for. Its status says when it was to fire next, until a run has ended.
 */
function startSchedule(world: World, host: Host, book: Book): void {
  const chance = world.chance('schedule');
  const ticks: SentEvent[] = [];
  let next = 0;
  let running = 0;

  for (let minute = 1; minute <= world.plan.minutes + lateMinutesMax; minute += 1) {
    const event = tickEvent(beginningMs + minute * minuteMs, minute);
    ticks.push(event);
    book.add(event);
    if (minute > world.plan.minutes) continue;
    book.begun();
    world.after(minute * minuteMs + chance.integer(0, 1_000), () => {
      if (!world.strikes('schedule lapses') && running === 0) fire();
      if (world.strikes('schedule doubles')) fire();
      book.finished();
    });
  }

  function fire(): void {
    const first = ticks[next];
    // Where a run took long, what came due meanwhile is passed, and the next is yet to come.
    if (first === undefined || first.sentMs > world.nowMs()) return;
    // The clock of whoever runs it may be behind.
    const passedMs = world.nowMs() - world.plan.skewMs;
    const due = ticks.filter((tick, index) => index === next || (index > next && tick.sentMs <= passedMs));
    for (const event of due) event.doubles += Math.min(1, event.sendings);
    for (const event of due) event.sendings += 1;
    running += 1;
    book.begun();
    host.run(
      `timer publish-${schedule}`,
      ({ bridge, invocation }) =>
        bridge.ingest.publishSchedule(schedule, new Date(first.sentMs).toISOString(), invocation()),
      (how) => {
        running -= 1;
        book.finished();
        if (how === 'lost') return;
        while ((ticks[next]?.sentMs ?? Number.POSITIVE_INFINITY) <= world.nowMs()) next += 1;
        if (how === 'done') for (const event of due) book.taken(event);
      },
    );
  }
}

function tickEvent(atMs: number, minute: number): SentEvent {
  const time = new Date(atMs).toISOString();
  const event: SentEvent = {
    name: `${schedule}-${time}`,
    source: `/schedules/${schedule}`,
    id: `${schedule}-${time}`,
    topic: topics.orders,
    key: schedule,
    value: () => ({
      specversion: '1.0',
      id: event.id,
      source: event.source,
      type: 'schedule.fired',
      subject: schedule,
      time,
      datacontenttype: 'application/json',
      data: { event: event.name },
    }),
    request: minute,
    sentMs: atMs,
    tooLarge: false,
    invalid: false,
    padding: 0,
    recognised: true,
    poison: false,
    ...unsent(),
  };
  return event;
}
