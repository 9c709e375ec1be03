import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CloudEvent } from './cloud-event.ts';
import { compileTopic, topicName, topicTemplateProblem } from './topic.ts';

const event: CloudEvent = {
  specversion: '1.0',
  id: '1',
  source: '/shop',
  type: 'order.created',
  data: { customer: { region: 'eu-west', city: 'São Paulo' }, n: 7, empty: '' },
};

test('a template is filled from attributes and data', () => {
  assert.equal(compileTopic('orders')(event), 'orders');
  assert.equal(compileTopic('shop.{type}')(event), 'shop.order.created');
  assert.equal(compileTopic('{/customer/region}_{/n}.v1')(event), 'eu-west_7.v1');
});

test('a value that no topic name can hold is a problem that names it, and is never changed', () => {
  const problem = (template: string) => {
    const made = compileTopic(template)(event);
    return typeof made === 'string' ? made : `${made.path} ${made.message}`;
  };
  assert.match(problem('x.{/customer/city}'), /^\/customer\/city must be letters.*not "São Paulo"$/);
  assert.match(problem('x.{source}'), /^source must be letters.*not "\/shop"$/);
  assert.match(problem('x.{/empty}'), /^\/empty must be letters.*not ""$/);
  assert.match(problem('x.{subject}'), /^subject is missing, but the topic x\.\{subject\} needs it$/);
});

test('what a text must be to be a template is said', () => {
  assert.equal(topicTemplateProblem('orders.{type}'), undefined);
  assert.match(topicTemplateProblem('a topic') ?? '', /must be a Kafka topic name/);
  assert.match(topicTemplateProblem('..') ?? '', /must be a Kafka topic name/);
  assert.match(topicTemplateProblem('a b.{type}') ?? '', /must be a Kafka topic name/);
  assert.match(topicTemplateProblem('orders.{type') ?? '', /must be a Kafka topic name/);
  assert.match(topicTemplateProblem('orders.{Type}') ?? '', /\{Type\} must be an attribute name/);
  assert.match(topicTemplateProblem('orders.{/~}') ?? '', /\{\/~\} must be an attribute name/);
});

test('whatever a sender writes, the topic is a legal name and none of the topics of Kafka itself', () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('.', '..', '__consumer_offsets', 'a'.repeat(250), '-'));
  const wholly = compileTopic('{/v}');
  const partly = compileTopic('orders.{/v}');
  fc.assert(
    fc.property(text, (v) => {
      for (const made of [wholly({ ...event, data: { v } }), partly({ ...event, data: { v } })]) {
        if (typeof made !== 'string') continue;
        assert.match(made, topicName);
        assert.ok(!made.startsWith('__'));
        assert.ok(made === v || made === `orders.${v}`);
      }
    }),
  );
});
