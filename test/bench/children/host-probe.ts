// Loaded into the Functions host before it starts: counts what it writes to tables, and tells its figures when asked.
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { answerQuestions } from '../child.ts';
import type { HostFigures } from '../stage.ts';

let tableWrites = 0;

// The storage client is the only part of the bridge that speaks node:http; all else goes by undici.
subscribe('http.client.request.start', (message) => {
  const { method } = (message as { request: ClientRequest }).request;
  if (method !== 'GET') tableWrites += 1;
});

answerQuestions(async (): Promise<HostFigures> => ({ rssBytes: process.memoryUsage.rss(), tableWrites }));
