import { writeFileSync } from 'node:fs';
import { configJsonSchema } from '../src/config/load.ts';

writeFileSync('bridge.schema.json', `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
