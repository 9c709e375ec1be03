import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { systemClock } from '../src/shared/clock.ts';
import { createHttpPool } from '../src/shared/http.ts';
import { createManualClock } from '../test/support/manual-clock.ts';
import { runCli } from './main.ts';

/** A request as the app saw it. */
export interface Seen {
  readonly method: string | undefined;
  readonly path: string;
  readonly key: string | undefined;
  readonly body: unknown;
}

/** An answer to be given; 200 unless it says otherwise. */
export interface Reply {
  readonly status?: number;
  readonly body: unknown;
}

/**
 * An app that answers the operator's endpoints as told, and the command line beside it.
 *
 * @param replies by path without its query; several are given one after the other, the last again and again.
 */
export async function openTestApp(t: TestContext, replies: Readonly<Record<string, readonly Reply[]>>) {
  const seen: Seen[] = [];
  const asked = new Map<string, number>();
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const text = Buffer.concat(chunks).toString();
    const path = request.url ?? '';
    const [route = ''] = path.replace('/api/admin/', '').split('?');
    seen.push({
      method: request.method,
      path,
      key: request.headers['x-functions-key']?.toString(),
      body: text === '' ? undefined : JSON.parse(text),
    });
    const count = asked.get(route) ?? 0;
    asked.set(route, count + 1);
    const known = replies[route] ?? [];
    const reply = known[Math.min(count, known.length - 1)] ?? { status: 404, body: 'nothing here' };
    const isText = typeof reply.body === 'string';
    response.writeHead(reply.status ?? 200).end(isText ? reply.body : JSON.stringify(reply.body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const root = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
  const pool = createHttpPool({
    clock: systemClock,
    connectionsMax: 1,
    connectTimeoutMs: 1_000,
    answerBytesMax: 1_000_000,
  });
  t.after(async () => {
    await pool.close();
    server.closeAllConnections();
    server.close();
    rmSync(root, { recursive: true });
  });
  const clock = createManualClock();
  const sleeps: number[] = [];
  return {
    url,
    seen,
    root,
    sleeps,
    /** Runs a command line; time passes as soon as it is waited for. */
    run: async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
      const printed: string[] = [];
      const noted: string[] = [];
      const code = await runCli(args, {
        send: pool.send,
        clock: {
          now: clock.now,
          sleep: async (delayMs) => {
            sleeps.push(delayMs);
          },
        },
        env: { SLUICE_URL: url, ...env },
        root,
        print: (text) => printed.push(text),
        note: (text) => noted.push(text),
      });
      return { code, out: printed.join('\n'), err: noted.join('\n') };
    },
  };
}
