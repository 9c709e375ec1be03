import { assert } from '../shared/assert.ts';
import type { CloudEvent } from './cloud-event.ts';
import { compileSelector, isSelector, selectorRule } from './selector.ts';
import { quote, type ValueProblem } from './value-problem.ts';

/** Kafka's own rule for topic names (org.apache.kafka.common.internals.Topic). */
export const topicName = /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/;
export const topicNameRule =
  'must be a Kafka topic name: 1 to 249 letters, digits, ".", "_" or "-", but not "." or ".."';

const legalText = /^[a-zA-Z0-9._-]*$/;
const placeholder = /\{([^{}]*)\}/;

/** The topic of an event, or why there is none. */
export type TopicOf = (event: CloudEvent) => string | ValueProblem;

/** Why `text` is neither the name of a topic nor a template for one such as `orders.{type}`; undefined when it is. */
export function topicTemplateProblem(text: string): string | undefined {
  const { literals, selectors } = split(text);
  const wrong = selectors.find((selector) => !isSelector(selector));
  if (wrong !== undefined) return `{${wrong}} ${selectorRule}`;
  const legal =
    selectors.length === 0 ? topicName.test(text) : literals.every((part) => legalText.test(part));
  return legal ? undefined : `${topicNameRule}; {type} or {/order/region} stands for a value of the event`;
}

/**
 * Makes topics of events. A value that a topic name cannot hold is a problem, never changed: two values that
 * differ must not end up in one topic. Names that begin with two underscores are Kafka's own topics, which no
 * sender may choose.
 *
 * @throws {AssertionError} when `text` is no template; the configuration has made sure of it.
 */
export function compileTopic(text: string): TopicOf {
  assert(topicTemplateProblem(text) === undefined, `"${text}" is no template for topics`);
  const { literals, selectors } = split(text);
  if (selectors.length === 0) return () => text;
  const [first = '', ...others] = literals;
  const parts = selectors.map((path, index) => ({
    path,
    select: compileSelector(path),
    after: others[index] ?? '',
  }));
  return (event) => {
    let topic = first;
    for (const { path, select, after } of parts) {
      const value = select(event);
      if (value === undefined) return { path, message: `is missing, but the topic ${text} needs it` };
      if (value === '' || !legalText.test(value)) return { path, message: illegal(value, text) };
      topic += value + after;
    }
    if (topicName.test(topic) && !topic.startsWith('__')) return topic;
    return { path: selectors.join(', '), message: `makes no topic that may be written: ${quote(topic)}` };
  };
}

function illegal(value: string, template: string): string {
  return `must be letters, digits, ".", "_" or "-" to stand in the topic ${template}, not ${quote(value)}`;
}

/** Literal texts and the selectors between them. */
function split(text: string): { literals: readonly string[]; selectors: readonly string[] } {
  const pieces = text.split(placeholder);
  return {
    literals: pieces.filter((_, index) => index % 2 === 0),
    selectors: pieces.filter((_, index) => index % 2 === 1),
  };
}
