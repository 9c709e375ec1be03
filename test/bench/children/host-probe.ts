// Loaded into the Functions host before it starts: counts what it writes to tables, and tells its figures when asked.
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { answerQuestions } from '../child.ts';
import type { HostFigures } from '../stage.ts';

let tableWrites = 0;

// Azurite's account stands first in the path. The storage client speaks node:http.
const accountPath = '/devstoreaccount1/';
subscribe('http.client.request.start', (message) => {
  const { method, path } = (message as { request: ClientRequest }).request;
  if (method !== 'GET' && path.startsWith(accountPath)) tableWrites += 1;
});

answerQuestions(async (): Promise<HostFigures> => ({ rssBytes: process.memoryUsage.rss(), tableWrites }));
