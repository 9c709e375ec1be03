import { answerQuestions, reportReady } from '../child.ts';
import { runLoad } from '../load.ts';

answerQuestions(runLoad);
reportReady('');
