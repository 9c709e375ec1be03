import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Clock } from '../src/shared/clock.ts';
import { parseBodyBy } from './request-body.ts';
import type { Answer, Route } from './routes.ts';

/** What a fault can be aimed at; `metadata` is brokers, topic list, partitions. */
const faultOperations = ['produce', 'consume', 'metadata', 'createTopic'] as const;

/** The most rules held at once. */
const faultRulesMax = 100;

const place = z.enum(['before', 'after']);

/** A rule as `/control/faults` takes it. */
const faultRuleSchema = z.strictObject({
  operation: z.enum(faultOperations).exactOptional().describe('Only this operation. Default: any.'),
  topic: z.string().exactOptional().describe('Only calls naming this topic. Default: any call.'),
  times: z.int().min(1).exactOptional().describe('How many calls it hits. Default: no limit.'),
  latencyMs: z.int().min(0).max(600_000).exactOptional().describe('Waits so long before anything else.'),
  status: z.int().min(400).max(599).exactOptional().describe('Answers with this status; nothing is done.'),
  retryAfterSeconds: z.int().min(0).exactOptional().describe('The Retry-After header sent with `status`.'),
  drop: place
    .exactOptional()
    .describe('Breaks the connection before the call is carried out, or after it instead of answering.'),
  stall: place.exactOptional().describe('Never answers: before the call is carried out, or after it.'),
  recordError: z
    .strictObject({
      errorCode: z.int(),
      message: z.string(),
      valueIncludes: z
        .string()
        .exactOptional()
        .describe('Only records whose value holds this. Default: all.'),
    })
    .exactOptional()
    .describe('Produce answers 200, with this error for the records concerned, which are not appended.'),
});

/** One way in which calls go wrong. Everything it says happens, in the order of its fields. */
export type FaultRule = z.infer<typeof faultRuleSchema>;
/** The error that a rule gives to records. */
export type RecordError = NonNullable<FaultRule['recordError']>;
/** An operation that rules can name. */
export type FaultOperation = (typeof faultOperations)[number];

/** A rule and the number of calls it has hit. */
export interface FaultCount {
  readonly rule: FaultRule;
  readonly hits: number;
}

/** The faults a proxy injects: of the rules that fit a call and are not used up, the first one applies. */
export interface Faults {
  /** Replaces all rules. */
  set(rules: readonly FaultRule[]): void;
  clear(): void;
  list(): FaultCount[];
  /** The rule for this call, counted as a hit. */
  take(operation: FaultOperation, topic: string | undefined): FaultRule | undefined;
}

/** Faults without a rule yet. */
export function createFaults(): Faults {
  let counts: { rule: FaultRule; hits: number }[] = [];
  return {
    set: (rules) => {
      counts = rules.map((rule) => ({ rule, hits: 0 }));
    },
    clear: () => {
      counts = [];
    },
    list: () => counts.map((count) => ({ ...count })),
    take: (operation, topic) => {
      const count = counts.find(
        ({ rule, hits }) =>
          (rule.operation ?? operation) === operation &&
          (rule.topic ?? topic) === topic &&
          hits < (rule.times ?? Number.POSITIVE_INFINITY),
      );
      if (count === undefined) return undefined;
      count.hits++;
      return count.rule;
    },
  };
}

const controlPath = '/control/faults';

/** What PUT takes. */
export const faultRulesSchema = z.strictObject({ rules: z.array(faultRuleSchema).max(faultRulesMax) });

/** The control interface: GET lists the rules with their hits, PUT replaces them, DELETE removes them. */
export function createFaultRoutes(faults: Faults): Route[] {
  const list = (): Answer => ({
    status: 200,
    body: JSON.stringify({ rules: faults.list().map(({ rule, hits }) => ({ ...rule, hits })) }),
  });
  return [
    { method: 'GET', path: controlPath, operation: list },
    {
      method: 'PUT',
      path: controlPath,
      operation: ({ body }) => {
        faults.set(parseBodyBy(faultRulesSchema, body).rules);
        return list();
      },
    },
    {
      method: 'DELETE',
      path: controlPath,
      operation: () => {
        faults.clear();
        return list();
      },
    },
  ];
}

/**
 * Lets a call go wrong as `rule` says. Returns `undefined` where there is to be no answer: the connection is then
 * broken.
 */
export async function injectFault(options: {
  rule: FaultRule;
  /** Carries the call out as if nothing were wrong. */
  carryOut: () => Answer;
  response: ServerResponse;
  clock: Clock;
  /** Aborts when the proxy closes, which ends every wait. */
  closing: AbortSignal;
}): Promise<Answer | undefined> {
  const { rule, carryOut, response, clock, closing } = options;
  const gone = clientGone(response);
  if (rule.latencyMs !== undefined) {
    const isOver = await clock.sleep(rule.latencyMs, AbortSignal.any([gone, closing])).then(
      () => true,
      () => false,
    );
    if (!isOver) return undefined;
  }
  if (rule.drop === 'before') return undefined;
  if (rule.stall === 'before') return stall(gone, closing);
  if (rule.status !== undefined) return refusal(rule.status, rule.retryAfterSeconds);

  const answer = carryOut();
  if (rule.drop === 'after') return undefined;
  if (rule.stall === 'after') return stall(gone, closing);
  return answer;
}

function clientGone(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => controller.abort());
  return controller.signal;
}

async function stall(gone: AbortSignal, closing: AbortSignal): Promise<undefined> {
  const either = AbortSignal.any([gone, closing]);
  if (either.aborted) return;
  await new Promise((resolve) => either.addEventListener('abort', resolve, { once: true }));
}

function refusal(status: number, retryAfterSeconds: number | undefined): Answer {
  return {
    status,
    headers: retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) },
    body: JSON.stringify({ error_code: status, message: 'This failure was injected by a fault rule.' }),
  };
}
