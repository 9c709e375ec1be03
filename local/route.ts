import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { routeSchema } from '../src/config/routes.ts';
import { type CloudEvent, parseCloudEvent } from '../src/events/cloud-event.ts';
import { type Explanation, prepareRouter, type Route, type Routed } from '../src/ingest/route.ts';
import { describeError } from '../src/shared/error.ts';
import { parseJson } from '../src/shared/json.ts';

const usage = `Shows which route takes an event, why the others do not, and the record that would be written.

Usage: npm run route -- EVENT.json [--source NAME] [--json]

  EVENT.json     one CloudEvent in its JSON format
  --source NAME  as if the event had come in by this source
  --json         print one JSON object
  --help         print this

The routes are those of bridge.config.json, or of the file that BRIDGE_CONFIG names; no setting has to be set.
Exit code: 0 when a route takes the event, 1 when none does or its route finds it invalid, 2 when the command line,
the event or the routes cannot be used.
`;

/** Bad input; the message says what would be right. */
class InputError extends Error {
  override readonly name = 'InputError';
}

interface Decision {
  readonly file: string;
  readonly event: CloudEvent;
  readonly source: string | undefined;
  readonly explanations: readonly Explanation[];
  readonly routed: Routed;
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = readCommand(args);
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const [eventFile] = positionals;
  if (eventFile === undefined || positionals.length > 1) {
    throw new InputError(`name one file that holds an event\n\n${usage}`);
  }
  const event = readEvent(eventFile);
  const { source } = values;
  const file = process.env.BRIDGE_CONFIG ?? 'bridge.config.json';
  const { routes, sources } = readConfig(file);
  if (source !== undefined && !Object.hasOwn(sources, source)) {
    const names = Object.keys(sources).join(', ') || '(none)';
    throw new InputError(`${file} has no source "${source}"; there are: ${names}`);
  }
  const router = await prepareRouter(routes);
  const explanations = router.explain(event, source);
  const decision = { file, event, source, explanations, routed: await router.route(event, source) };
  console.log(values.json ? JSON.stringify(toJson(decision)) : toText(decision));
  return decision.routed.kind === 'record' || decision.routed.kind === 'filtered' ? 0 : 1;
}

function readCommand(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        source: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new InputError(`${error instanceof Error ? error.message : error}\n\n${usage}`);
  }
}

function readEvent(file: string): CloudEvent {
  const parsed = parseCloudEvent(readJson(file));
  if (parsed.ok) return parsed.event;
  const { attribute, message } = parsed.problem;
  throw new InputError(
    `${file} is no CloudEvent: ${attribute} ${message}. The least there can be: {"specversion":"1.0","id":"1","source":"/sources/orders","type":"order.received","data":{}}`,
  );
}

const configSchema = z.object({
  routes: z.array(routeSchema).default([]),
  sources: z.record(z.string(), z.unknown()).default({}),
});

/** Routes, and the names of sources, alone: they refer to no settings, so none is needed to read them. */
function readConfig(file: string): z.output<typeof configSchema> {
  const parsed = configSchema.safeParse(readJson(file));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) => `\n  - ${path.join('.') || '(file)'}: ${message}`,
  );
  throw new InputError(`the routes of ${file} cannot be used:${problems.join('')}`);
}

function readJson(file: string): unknown {
  try {
    return parseJson(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new InputError(`${file} cannot be read: ${describeError(error)}`);
  }
}

/** The route that decides is the first that fits. */
function toJson({ event, source, explanations, routed }: Decision): object {
  const chosen = explanations.findIndex(({ mismatch }) => mismatch === undefined);
  const { route: _, ...result } = 'route' in routed ? routed : { ...routed, route: undefined };
  return {
    event: event.id,
    source,
    routes: explanations.map(({ route, mismatch }, index) => ({
      route: nameOf(route, index),
      decides: index === chosen,
      mismatch,
    })),
    result,
  };
}

function toText({ file, event, source, explanations, routed }: Decision): string {
  const chosen = explanations.findIndex(({ mismatch }) => mismatch === undefined);
  const names = explanations.map(({ route }, index) => nameOf(route, index));
  const width = Math.max(6, ...names.map((name) => name.length));
  const by = source === undefined ? '' : `, by the source ${source}`;
  const lines = explanations.map(({ mismatch }, index) => {
    const mark = index === chosen ? '*' : ' ';
    const says =
      mismatch ?? (index === chosen ? 'fits and decides' : `fits too, but ${names[chosen]} comes first`);
    return ` ${mark} ${names[index]?.padEnd(width)}  ${says}`;
  });
  return [
    `Event ${event.id} of type ${event.type} from ${event.source}${by}`,
    '',
    `Routes of ${file}`,
    ...(lines.length === 0 ? ['   (none)'] : lines),
    '',
    ...resultLines(routed).map(([label, text]) => `${label.padEnd(width + 3)}  ${text}`),
  ].join('\n');
}

function resultLines(routed: Routed): [string, string][] {
  switch (routed.kind) {
    case 'unrouted':
      return [['Result', 'no route fits; a route without source and filter would take every event']];
    case 'filtered':
      return [['Result', 'dropped: the transform made nothing of it']];
    case 'invalid':
      return [['Result', 'refused with 422'], ...problemLines(routed.problems)];
    case 'record': {
      const { topic, record, route, problems = [] } = routed;
      const place = record.key === undefined ? '(any)' : '(by the key)';
      return [
        ['Result', problems.length === 0 ? 'one record' : 'invalid: one record in the topic of onInvalid'],
        ...problemLines(problems),
        ['Topic', topic],
        ['Key', record.key ?? `(none: the event has no ${route.key})`],
        ['Partition', record.partition === undefined ? place : String(record.partition)],
        ['Value', JSON.stringify(record.value)],
      ];
    }
  }
}

function problemLines(problems: readonly { path: string; message: string }[]): [string, string][] {
  return problems.map(({ path, message }) => ['Problem', `${path} ${message}`]);
}

function nameOf(route: Route, index: number): string {
  return route.name ?? `routes.${index}`;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof InputError ? error.message : describeError(error));
  process.exitCode = 2;
}
