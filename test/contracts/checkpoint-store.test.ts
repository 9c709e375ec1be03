import { after, before } from 'node:test';
import { TableClient } from '@azure/data-tables';
import { type RunningAzurite, startAzuriteTables } from '../../local/azurite.ts';
import { createMemoryCheckpointStore } from '../../src/storage/memory/checkpoint-store.ts';
import { createTableCheckpointStore } from '../../src/storage/table/checkpoint-store.ts';
import { describeCheckpointStore } from './checkpoint-store.ts';

let azurite: RunningAzurite;
let tables = 0;

before(async () => {
  azurite = await startAzuriteTables({ port: 0 });
});
after(() => azurite.stop());

describeCheckpointStore('memory', async () => createMemoryCheckpointStore());

describeCheckpointStore('table', async () => {
  tables += 1;
  const options = { allowInsecureConnection: true };
  return createTableCheckpointStore(
    TableClient.fromConnectionString(azurite.connectionString, `checkpoints${tables}`, options),
  );
});
