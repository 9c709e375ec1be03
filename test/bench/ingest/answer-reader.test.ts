import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAnswerReader } from './answer-reader.ts';

const accepted = Buffer.from('HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\ndate: now\r\n\r\nhello');

function readerWithAnswers() {
  const answers: string[] = [];
  return { answers, take: createAnswerReader((status, body) => answers.push(`${status} ${body}`)) };
}

test('an answer counts when its last byte is there, in however many pieces it comes', () => {
  const { answers, take } = readerWithAnswers();
  for (const byte of accepted.subarray(0, -1)) take(Buffer.of(byte));
  assert.deepEqual(answers, []);
  take(accepted.subarray(-1));
  assert.deepEqual(answers, ['202 hello']);
});

test('one connection brings one answer after another', () => {
  const { answers, take } = readerWithAnswers();
  take(accepted);
  take(Buffer.from('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n'));
  assert.deepEqual(answers, ['202 hello', '503 ']);
});

test('what cannot be counted exactly is refused', () => {
  const chunked = 'HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n';
  for (const text of [chunked, `${accepted}${accepted}`, 'SSH-2.0-server\r\n\r\n']) {
    const { answers, take } = readerWithAnswers();
    assert.throws(() => take(Buffer.from(text)), { code: 'bench.answer' });
    assert.deepEqual(answers, []);
  }
});
