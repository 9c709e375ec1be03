import { answerQuestions, reportReady } from '../child.ts';
import { runLoad } from '../ingest/load.ts';

answerQuestions(runLoad);
reportReady('');
