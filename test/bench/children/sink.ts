import { answerQuestions, reportReady } from '../child.ts';
import { startSink } from '../drain/sink.ts';
import type { SinkQuestion } from '../drain/stage.ts';

const sink = await startSink();
answerQuestions(async (question: SinkQuestion) => {
  if ('begin' in question) return sink.begin(question.begin);
  return 'hurry' in question ? sink.hurry(question.hurry) : sink.look(question.look);
});
reportReady(sink.url);
