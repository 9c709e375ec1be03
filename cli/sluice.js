#!/usr/bin/env node
// The command line's first step runs on whatever Node >= 20 is there, so it is plain JavaScript; the rest is
// TypeScript, which the Node 24 of this repository runs as it stands.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const executable = process.platform === 'win32' ? 'node.exe' : 'node';
const node = fileURLToPath(new URL(`../node_modules/node/bin/${executable}`, import.meta.url));

if (existsSync(node)) {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const { status, error } = spawnSync(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  if (error) console.error(`${node} could not be started: ${error.message}`);
  process.exitCode = status ?? 1;
} else {
  console.error('Sluice is not installed here yet: run npm ci first.');
  process.exitCode = 1;
}
