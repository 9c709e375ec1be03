// Runs before everything else, on whatever Node >= 20 is there, so it is plain JavaScript without dependencies.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';

// npm writes this file when an installation is complete.
const installed = 'node_modules/.package-lock.json';
const wanted = 'package-lock.json';

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(wanted).mtimeMs) {
  console.log('Installing what is missing (npm ci) …');
  // The pinned Node 24 comes with this very installation, so npm's warning about the present one is no news.
  const { status, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (error) console.error(`npm could not be started: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}
