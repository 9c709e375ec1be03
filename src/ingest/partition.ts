import type { CloudEvent } from '../events/cloud-event.ts';
import { compileSelector } from '../events/selector.ts';
import { quote, type ValueProblem } from '../events/value-problem.ts';

/** The partition that an event asks for, or why it asks for none. */
export type PartitionOf = (event: CloudEvent) => number | ValueProblem;

// Kafka numbers partitions by int32.
const partitionMax = 2 ** 31 - 1;
const integer = /^(?:0|[1-9]\d{0,9})$/;

/** Reads partitions where a selector leads to. @throws {AssertionError} when `path` is no selector. */
export function compilePartition(path: string): PartitionOf {
  const select = compileSelector(path);
  return (event) => {
    const text = select(event);
    if (text !== undefined && integer.test(text) && Number(text) <= partitionMax) return Number(text);
    const found = text === undefined ? 'missing' : quote(text);
    return { path, message: `must be a partition (an integer from 0 to ${partitionMax}), but is ${found}` };
  };
}
