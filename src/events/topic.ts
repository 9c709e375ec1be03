import { assert } from '../shared/assert.ts';
import type { CloudEvent } from './cloud-event.ts';
import { isSelector, selectorRule } from './selector.ts';
import { compileTemplate, splitTemplate } from './template.ts';
import { quote, type ValueProblem } from './value-problem.ts';

/** Kafka's own rule for topic names (org.apache.kafka.common.internals.Topic). */
export const topicName = /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/;
/** What a text must be to be a topic name. */
export const topicNameRule =
  'must be a Kafka topic name: 1 to 249 letters, digits, ".", "_" or "-", but not "." or ".."';

const legalText = /^[a-zA-Z0-9._-]*$/;

/** The topic of an event, or why there is none. */
export type TopicOf = (event: CloudEvent) => string | ValueProblem;

/** Why `text` is neither the name of a topic nor a template for one such as `orders.{type}`; undefined when it is. */
export function topicTemplateProblem(text: string): string | undefined {
  const { literals, selectors } = splitTemplate(text);
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
  const { selectors } = splitTemplate(text);
  if (selectors.length === 0) return () => text;
  const render = compileTemplate(text, {
    what: `the topic ${text}`,
    write: (value) => (value !== '' && legalText.test(value) ? value : undefined),
    rule: 'must be letters, digits, ".", "_" or "-"',
  });
  return (event) => {
    const topic = render(event);
    if (typeof topic !== 'string' || (topicName.test(topic) && !topic.startsWith('__'))) return topic;
    return { path: selectors.join(', '), message: `makes no topic that may be written: ${quote(topic)}` };
  };
}
