import { z } from 'zod';

/** What a fault can be aimed at; `metadata` is brokers, topic list, partitions. */
export const faultOperations = ['produce', 'consume', 'metadata', 'createTopic'] as const;

/** The most rules held at once. */
export const faultRulesMax = 100;

const place = z.enum(['before', 'after']);

/** A rule as `/control/faults` takes it. */
export const faultRuleSchema = z.strictObject({
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
export type RecordError = NonNullable<FaultRule['recordError']>;
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
