// Loaded into the Functions host before it starts: tells the parent how much memory the process holds.
import { answerQuestions } from '../child.ts';

answerQuestions(async () => process.memoryUsage.rss());
