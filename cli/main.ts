import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Clock, systemClock } from '../src/shared/clock.ts';
import { describeError } from '../src/shared/error.ts';
import { createHttpPool, type HttpSend } from '../src/shared/http.ts';
import { createApi, OperationError } from './api.ts';
import { type Command, type Given, UsageError } from './command.ts';
import { pause, resume, seek, testEvent } from './control.ts';
import { discard, get, list, redrive } from './dead-letters.ts';
import { replay } from './replay.ts';
import { status } from './status.ts';
import { findTarget } from './target.ts';

const commands: Readonly<Record<string, Command>> = {
  status,
  pause,
  resume,
  seek,
  'deadletters list': list,
  'deadletters get': get,
  'deadletters redrive': redrive,
  'deadletters discard': discard,
  replay,
  'test-event': testEvent,
};

const everywhere = {
  url: { type: 'string' },
  key: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

const everywhereHelp = `
  --url URL   the app; else SLUICE_URL, else the local host, http://localhost:7071
  --key KEY   its master key; else SLUICE_KEY of the environment or of local.settings.json, else the local host's own
  --json      print one JSON document instead of text
  --help      say how a command is used

Exit code: 0 done, 1 the operation failed, 2 the command line is wrong.`;

/** What the program takes from the world around it. */
export interface World {
  readonly send: HttpSend;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The repository's root. */
  readonly root: string;
  readonly print: (text: string) => void;
  /** Progress and errors. */
  readonly note: (text: string) => void;
}

/** Runs one command line and answers its exit code. */
export async function runCli(argv: readonly string[], terminal: World): Promise<number> {
  const world: World = {
    ...terminal,
    print: (text) => terminal.print(printable(text)),
    note: (text) => terminal.note(printable(text)),
  };
  try {
    return await run(argv, world);
  } catch (error) {
    if (error instanceof UsageError) {
      world.note(`${error.message}\n${['sluice', ...nameIn(argv), '--help'].join(' ')} says more`);
      return 2;
    }
    world.note(error instanceof OperationError ? error.message : describeError(error));
    return 1;
  }
}

/**
 * Control characters as JSON writes them: a receiver's answer or a sender's event must not steer the operator's
 * terminal. Within a JSON document they mean what they did.
 */
function printable(text: string): string {
  return text.replace(
    /(?!\n)\p{Cc}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

async function run(argv: readonly string[], world: World): Promise<number> {
  const { name, rest } = splitName(argv);
  const command = commandNamed(name);
  if (command === undefined) {
    const asked = argv.includes('--help') || argv.includes('-h');
    if (!asked && argv.length > 0) throw new UsageError(noCommandText(argv));
    world.print(overview());
    return asked ? 0 : 2;
  }
  const given = parse(command, rest);
  if (given.values.help === true) {
    world.print(
      `sluice ${name} ${command.usage}\n\n${command.summary}\n\n${command.details}\n${everywhereHelp}`,
    );
    return 0;
  }
  const { min, max } = command.args;
  if (given.args.length < min || given.args.length > max) {
    throw new UsageError(`usage: sluice ${name} ${command.usage}`);
  }
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  const { url, key } = findTarget({ ...world, url: text(given.values.url), key: text(given.values.key) });
  const api = createApi({ url, key, send: world.send });
  const { clock, print, note } = world;
  return command.run({ api, clock, print, progress: note, json: given.values.json === true }, given);
}

function noCommandText(argv: readonly string[]): string {
  const meant = Object.keys(commands).filter((name) => name.startsWith(`${argv[0]} `));
  const there = meant.length === 0 ? '' : `; there are: ${meant.join(', ')}`;
  return `there is no command "${argv.slice(0, 2).join(' ')}"${there}`;
}

function commandNamed(name: string): Command | undefined {
  return Object.hasOwn(commands, name) ? commands[name] : undefined;
}

/** The command that is meant, for whoever asks how it is used. */
function nameIn(argv: readonly string[]): readonly string[] {
  const { name } = splitName(argv);
  return commandNamed(name) === undefined ? [] : [name];
}

/** A command's name is one word or two. */
function splitName([first = '', second = '', ...others]: readonly string[]): {
  name: string;
  rest: string[];
} {
  const pair = `${first} ${second}`;
  if (commandNamed(pair) !== undefined) return { name: pair, rest: others };
  return { name: first, rest: second === '' ? others : [second, ...others] };
}

function parse(command: Command, args: string[]): Given {
  try {
    const options = { ...command.options, ...everywhere };
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    return { values: values as Given['values'], args: positionals };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // What follows is about arguments that begin with a dash; none does.
    throw new UsageError(message.replace(/\. To specify a positional argument .*/s, ''));
  }
}

function overview(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `sluice <command> [options]\n\n${lines.join('\n')}\n${everywhereHelp}`;
}

const connectTimeoutMs = 5_000;
const answerBytesMax = 64 * 1_048_576;

if (import.meta.main) {
  // Whoever reads may have had enough, as `head` has.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  const pool = createHttpPool({ clock: systemClock, connectionsMax: 1, connectTimeoutMs, answerBytesMax });
  process.exitCode = await runCli(process.argv.slice(2), {
    send: pool.send,
    clock: systemClock,
    env: process.env,
    root: fileURLToPath(new URL('..', import.meta.url)),
    print: (text) => process.stdout.write(`${text}\n`),
    note: (text) => process.stderr.write(`${text}\n`),
  });
  await pool.close();
}
