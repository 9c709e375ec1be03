import { z } from 'zod';
import type { HttpSend } from '../src/shared/http.ts';
import type { SampleEvent } from './sample-events.ts';

const acceptedAnswer = z.object({ events: z.array(z.object({ id: z.string() })).length(1) });
const sendTimeoutMs = 20_000;

/**
 * Sends a sample event to a Functions host as its real sender would.
 *
 * @returns the id under which the bridge took it in.
 * @throws when it was not taken in.
 */
export async function sendSample(send: HttpSend, hostUrl: string, event: SampleEvent): Promise<string> {
  const { path, headers, body } = event;
  const answer = await send({ method: 'POST', url: hostUrl + path, headers, body, timeoutMs: sendTimeoutMs });
  if (answer.status !== 202) throw new Error(`${path} answered ${answer.status}: ${answer.body}`);
  // Event Grid is told nothing of the event, but then it has given the id itself.
  return event.id ?? acceptedAnswer.parse(JSON.parse(answer.body)).events[0]?.id ?? '';
}
