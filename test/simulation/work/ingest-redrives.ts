import { schedule, topics } from '../outside/topics.ts';
import type { App } from '../platform/app.ts';
import { type Instance, operatorName, startInstance } from '../platform/instance.ts';
import { everyMinute } from '../world/every-minute.ts';
import type { World } from '../world/world.ts';

/** Where letters of the way in come from. */
const origins = [
  ...Object.values(topics).flatMap((topic) => [`ingest:${topic}`, `outbox:${topic}`]),
  'ingest:eventgrid',
  `ingest:schedule-${schedule}`,
];
const redrivenMax = 20;

/** Lets an operator produce once more what the way in has given up; what fails may be tried again, or not. */
export function startIngestRedrives(world: World, start: (instance: Instance) => Promise<App>): void {
  const app = start(startInstance(world, `${operatorName}-in`, 0));
  everyMinute(world, 'operator redrives the way in', async () => {
    const { bridge, invocation } = await app;
    for (const origin of origins) {
      const body = JSON.stringify({ origin, max: redrivenMax });
      const answer = await bridge.operate('redriveDeadLetters', { query: {}, body }, invocation());
      world.note('operator', () => `redrives ${origin}: ${answer.status} ${answer.body}`);
    }
  });
}
