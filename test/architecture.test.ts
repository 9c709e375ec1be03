import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';

/** What each part of `src` may import of the others; imports go one way. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  functions: ['composition'],
  composition: [
    'config',
    'events',
    'ingest',
    'drain',
    'delivery',
    'operate',
    'kafka-rest',
    'storage',
    'shared',
  ],
  config: ['events', 'shared'],
  events: ['shared'],
  ingest: ['events', 'shared'],
  drain: ['delivery', 'events', 'shared'],
  delivery: ['events', 'shared'],
  operate: ['drain', 'delivery', 'ingest', 'events', 'shared'],
  'kafka-rest': ['ingest', 'drain', 'shared'],
  storage: ['drain', 'events', 'ingest', 'shared'],
  shared: [],
};

/** The packages that each part may import; composition and whatever is not named here: none. */
const allowedPackages: Readonly<Record<string, readonly string[]>> = {
  functions: ['@azure/functions'],
  composition: ['@azure/data-tables', '@azure/functions', 'node:crypto'],
  config: ['node:crypto', 'node:fs', 'zod'],
  events: ['jsonata'],
  ingest: ['ajv/dist/2020.js', 'croner', 'jose', 'node:crypto', 'node:fs/promises', 'zod'],
  drain: ['zod'],
  delivery: ['node:crypto'],
  operate: ['zod'],
  'kafka-rest': ['@azure/identity', '@azure/msal-node', 'node:crypto', 'zod'],
  storage: ['@azure/data-tables', '@azure/identity', 'node:crypto', 'node:util', 'node:zlib', 'zod'],
  shared: ['@opentelemetry/api', 'node:dns', 'node:net', 'node:util', 'undici', 'zod'],
};

const files = globSync('src/**/*.ts')
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => !file.endsWith('.test.ts'));

function textOf(file: string): string {
  return readFileSync(file, 'utf8');
}

function partOf(file: string): string {
  return (
    file
      .replace(/^src\//, '')
      .split('/')[0]
      ?.replace(/\.ts$/, '') ?? ''
  );
}

/** What a file imports, static and dynamic, for its names or for its effects. */
function specifiersOf(file: string): string[] {
  const found = textOf(file).matchAll(
    /^(?:import|export)\b[^';]*\bfrom '([^']+)'|^import '([^']+)'|\bimport\(\s*'([^']+)'/gm,
  );
  return [...found].map(([, from, effect, dynamic]) => from ?? effect ?? dynamic ?? '');
}

/** Its relative imports, as paths from the root. */
function importsOf(file: string): string[] {
  return specifiersOf(file)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => posix.join(posix.dirname(file), specifier));
}

/** Lines of `src`, outside the parts named, that match. */
function offenders(pattern: RegExp, exempt: (file: string) => boolean): string[] {
  return files
    .filter((file) => !exempt(file))
    .flatMap((file) =>
      textOf(file)
        .split('\n')
        .filter((line) => pattern.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    );
}

test('the check sees the sources and their imports', () => {
  assert.ok(files.length > 30);
  assert.ok(importsOf('src/composition/tables.ts').includes('src/storage/table/open-table.ts'));
});

test('parts import only what the layout allows', () => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((imported) => partOf(imported) !== partOf(file))
      .filter(
        (imported) => !imported.startsWith('src/') || !allowed[partOf(file)]?.includes(partOf(imported)),
      )
      .map((imported) => `${file} imports ${imported}`),
  );
  assert.deepEqual(wrong, []);
});

test('parts import only the packages that are theirs', () => {
  const wrong = files.flatMap((file) =>
    specifiersOf(file)
      .filter(
        (specifier) => !specifier.startsWith('.') && !allowedPackages[partOf(file)]?.includes(specifier),
      )
      .map((specifier) => `${file} imports ${specifier}`),
  );
  assert.deepEqual(wrong, []);
});

test('time, chance and network come in as arguments', () => {
  const taken =
    /Date\.now\(|new Date\(\)|Math\.random\(|setTimeout\(|setInterval\(|AbortSignal\.timeout\(|\brandomUUID\b|(?<![\w.])fetch\(|\bsystem(?:Clock|Random)\b|\bcreateHttpPool\b/;
  const isMachine = (file: string) => file === 'src/composition/app.ts' || partOf(file) === 'shared';
  assert.ok(offenders(taken, () => false).some((line) => line.startsWith('src/composition/app.ts')));
  assert.deepEqual(offenders(taken, isMachine), []);
});

test('only the configuration reads the environment', () => {
  assert.deepEqual(
    offenders(/process\.env/, (file) => partOf(file) === 'config'),
    [],
  );
});

test('a trigger is one file, named as the function that it exports', () => {
  for (const file of files.filter((candidate) => partOf(candidate) === 'functions')) {
    const name = posix.basename(file, '.ts');
    assert.match(textOf(file), new RegExp(`export (async )?function ${name}\\(`), file);
  }
});
