import type { HttpRequest } from '../../../src/shared/http.ts';
import { holdsSecret } from '../outside/secrets.ts';
import type { TablesModel } from '../outside/tables.ts';
import type { Work } from '../work/work.ts';
import type { World } from '../world/world.ts';

/** Watches that no row and no answer to a sender holds a secret, although others repeat what they were sent. */
export function watchSecrets(world: World, { tables, work }: { tables: TablesModel; work: Work }): void {
  tables.onWrite(({ table, after = {}, writer }) => {
    for (const [name, value] of Object.entries(after)) {
      if (typeof value !== 'string' && !(value instanceof Uint8Array)) continue;
      checkSecrets(world, `${writer.name} writes ${name} of ${table}`, value);
    }
  });
  work.onAnswer((_events, { body, headers }) => {
    checkSecrets(world, 'an answer', `${JSON.stringify(headers)} ${body}`);
  });
}

/** Only the header by which a request proves itself may hold a secret. */
export function checkRequest(world: World, { url, headers, body = '' }: HttpRequest): void {
  const { authorization: _proof, ...others } = headers;
  checkSecrets(world, `a request to ${url}`, body);
  checkSecrets(world, `a request to ${url}`, `${url} ${JSON.stringify(others)}`);
}

/** Nothing that is told in `where` may hold a secret. */
export function checkSecrets(world: World, where: string, content: string | Uint8Array): void {
  if (holdsSecret(content)) world.violated('no secret is told', `${where}: ${content}`);
}
