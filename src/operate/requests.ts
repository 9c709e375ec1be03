import { z } from 'zod';
import type { Position } from './find-offset.ts';

/** What a position may be. */
export const positionForms = 'earliest, latest, offset:N or time:2026-01-31T12:00:00Z';

const isoTime = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;
const decimal = /^\d{1,19}$/;

/** Offsets travel as decimal strings: a JSON number does not hold all of them. */
const offset = z.string().regex(decimal, 'must be an offset as a decimal string').transform(BigInt);

/** A position in words; undefined when it is none. */
export function parsePosition(text: string): Position | undefined {
  if (text === 'earliest' || text === 'latest') return { kind: text };
  const [kind, value = ''] = [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)];
  if (kind === 'offset' && decimal.test(value)) return { kind, offset: BigInt(value) };
  const timeMs = isoTime.test(value) && isDay(value.slice(0, 10)) ? Date.parse(value) : Number.NaN;
  return kind === 'time' && !Number.isNaN(timeMs) ? { kind, timeMs } : undefined;
}

/** `Date.parse` takes 31 February for 3 March. */
function isDay(date: string): boolean {
  const timeMs = Date.parse(date);
  return !Number.isNaN(timeMs) && new Date(timeMs).toISOString().startsWith(date);
}

const position = z.string().transform((text, context): Position => {
  const parsed = parsePosition(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: `must be ${positionForms}` });
  return z.NEVER;
});

const subscription = z.string().min(1).describe('A subscription of bridge.config.json.');
const partition = z.int().min(0);

/** `GET status` takes nothing. */
export const statusRequest = z.strictObject({});

/** The body of `POST pause`. */
export const pauseRequest = z.strictObject({
  subscription,
  why: z.string().min(1).max(500).default('paused by an operator').describe('Shown in the status.'),
});

/** The body of `POST resume`. */
export const resumeRequest = z.strictObject({ subscription });

/** The body of `POST seek`. */
export const seekRequest = z
  .strictObject({
    subscription,
    topic: z.string().min(1).optional().describe('All topics of the subscription without it.'),
    partition: partition.optional().describe('All partitions without it.'),
    to: position,
  })
  .refine((seek) => seek.partition === undefined || seek.topic !== undefined, {
    path: ['topic'],
    message: 'must be given when a partition is',
  });

const letterState = z.enum(['open', 'redriven', 'discarded']);

/** The query of `GET deadletters`, whose values are text. */
export const listDeadLettersRequest = z.strictObject({
  origin: z.string().min(1).optional().describe('A subscription, ingest:<source or topic>, outbox:<topic>.'),
  state: z
    .enum([...letterState.options, 'all'])
    .default('open')
    .transform((state) => (state === 'all' ? undefined : state)),
  max: z
    .string()
    .regex(/^\d{1,4}$/, 'must be a number from 1 to 1000')
    .transform(Number)
    .pipe(z.int().min(1).max(1_000))
    .default(100),
  after: z.string().optional().describe('What the page before answered as `next`.'),
});

/** The query of `GET deadletter`. */
export const getDeadLetterRequest = z.strictObject({ origin: z.string().min(1), key: z.string().min(1) });

const choice = {
  origin: z.string().min(1),
  keys: z.array(z.string().min(1)).min(1).max(1_000).optional(),
  max: z.int().min(1).max(1_000).optional().describe('At most so many open letters of the origin.'),
  after: z.string().optional().describe('Only letters whose key comes after this one.'),
};

function isOneChoice({ keys, max }: { keys?: unknown; max?: unknown }): boolean {
  return (keys === undefined) !== (max === undefined);
}

const oneChoice = {
  path: ['keys'],
  message: 'must be given, or else max, to take that many open letters of the origin',
};

/**
 * The body of `POST deadletters/discard`: letters of one origin, those of the keys, or so many open ones, the oldest
 * key first.
 */
export const discardRequest = z.strictObject(choice).refine(isOneChoice, oneChoice);

/** The body of `POST deadletters/redrive`: letters are chosen as by {@link discardRequest}. */
export const redriveRequest = z
  .strictObject({
    ...choice,
    force: z.boolean().optional().describe('Also while the endpoint is paused, disabled or broken.'),
  })
  .refine(isOneChoice, oneChoice);

/** The body of `POST replay`. */
export const replayRequest = z
  .strictObject({
    subscription,
    topic: z.string().min(1).optional().describe('May be left out where the subscription has one topic.'),
    partition: partition.optional().describe('All partitions without it.'),
    url: z.string().min(1).describe('Where the records go.'),
    from: position.prefault('earliest'),
    to: position.prefault('latest').describe('Up to, not including.'),
    continue: z
      .array(z.strictObject({ partition, nextOffset: offset, toOffset: offset }))
      .min(1)
      .max(10_000)
      .optional()
      .describe(
        'What the call before answered as `continue`; then from, to and partition count for nothing.',
      ),
  })
  .refine(({ from, to }) => !isAfter(from, to), { path: ['from'], message: 'must not be after to' });

function isAfter(from: Position, to: Position): boolean {
  if (from.kind === 'offset' && to.kind === 'offset') return from.offset > to.offset;
  return from.kind === 'time' && to.kind === 'time' && from.timeMs > to.timeMs;
}

/** The body of `POST test-event`. */
export const testEventRequest = z.strictObject({
  subscription,
  event: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('Attributes and data of a CloudEvent; what is missing is filled in.'),
});

/** {@link seekRequest}, read. */
export type SeekRequest = z.output<typeof seekRequest>;
/** {@link listDeadLettersRequest}, read. */
export type ListDeadLettersRequest = z.output<typeof listDeadLettersRequest>;
/** {@link discardRequest}, read. */
export type DiscardRequest = z.output<typeof discardRequest>;
/** {@link redriveRequest}, read. */
export type RedriveRequest = z.output<typeof redriveRequest>;
/** {@link replayRequest}, read. */
export type ReplayRequest = z.output<typeof replayRequest>;
/** {@link testEventRequest}, read. */
export type TestEventRequest = z.output<typeof testEventRequest>;
