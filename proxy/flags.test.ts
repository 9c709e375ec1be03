import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlagError, readFlags } from './flags.ts';

test('without flags for who may call, the program does not start', () => {
  assert.throws(() => readFlags([]), refused(/--issuer and --group, or --no-auth/));
  assert.throws(() => readFlags(['--issuer', 'https://login.example/t/v2.0']), refused(/--group/));
});

test('an open proxy on port 9400 over a log in memory, without faults, is what --no-auth alone gives', () => {
  assert.deepEqual(readFlags(['--no-auth']), {
    help: false,
    port: 9400,
    host: 'localhost',
    data: ':memory:',
    tls: undefined,
    auth: undefined,
    visibilityDelayMs: 0,
    control: false,
  });
});

test('issuer and group let members in', () => {
  const { auth } = readFlags(['--issuer', 'https://login.example/t/v2.0', '--group', 'g']);
  assert.deepEqual(auth, {
    issuer: 'https://login.example/t/v2.0',
    groupId: 'g',
    audience: 'https://hib.azurehdinsight.net',
  });
});

test('flags that cannot be followed are refused in one line that says what would be right', () => {
  const cases: [string[], RegExp][] = [
    [['--nope'], /--nope/],
    [['--no-auth', 'stray'], /stray/],
    [['--no-auth', '--port', '65536'], /--port must be an integer from 0 to 65535, not "65536"/],
    [['--no-auth', '--visibility-delay-ms', '1s'], /--visibility-delay-ms/],
    [['--no-auth', '--group', 'g'], /one or the other/],
    [['--issuer', 'login', '--group', 'g'], /--issuer must be an http or https URL/],
    [['--no-auth', '--tls-key', 'k'], /together/],
    [
      ['--no-auth', '--tls-key', '/nowhere', '--tls-cert', '/nowhere'],
      /--tls-key cannot be read: .*\/nowhere/,
    ],
    [
      ['--no-auth', '--tls-key', import.meta.filename, '--tls-cert', import.meta.filename],
      /must be a private key and its certificate in PEM/,
    ],
    [
      ['--issuer', 'https://login', '--group', 'g', '--issuer-ca', import.meta.filename],
      /--issuer-ca must be a certificate in PEM/,
    ],
  ];
  for (const [args, message] of cases) assert.throws(() => readFlags(args), refused(message), args.join(' '));
});

function refused(message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof FlagError, String(error));
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  };
}
