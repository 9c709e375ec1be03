import { answerQuestions, reportReady } from '../child.ts';
import { startLogProxy } from '../drain/log-proxy.ts';
import { kilobyteValues, mixedValues } from '../drain/record-pages.ts';
import type { LogQuestion } from '../drain/stage.ts';
import { createStandingTopic } from '../drain/standing-topic.ts';

const [sizes, ...names] = process.argv.slice(2);
const valueBytesOf = sizes === 'mixed' ? mixedValues : kilobyteValues;
const topics = new Map(names.map((name) => [name, createStandingTopic(valueBytesOf)]));

answerQuestions(async ({ topic, append }: LogQuestion) => {
  const asked = topics.get(topic);
  if (asked === undefined) throw new RangeError(`there is no topic ${topic}`);
  return append === undefined ? asked.compact() : asked.append(append);
});
const proxy = await startLogProxy(topics);
reportReady(proxy.url);
