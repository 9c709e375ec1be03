import { answerQuestions, reportReady } from '../child.ts';
import { runPostLoop } from '../drain/post-loop.ts';
import { runSeedLoop } from '../drain/seed-loop.ts';
import type { LoopQuestion } from '../drain/stage.ts';

answerQuestions(async (question: LoopQuestion) =>
  'post' in question ? runPostLoop(question.post) : runSeedLoop(question.seed),
);
reportReady('');
