import { TableClient, type TableServiceClientOptions } from '@azure/data-tables';
import type { Secret } from '../../shared/secret.ts';

/** Where tables are: by connection string, or by URL and managed identity. */
export type TableAccount =
  | { readonly connectionString: Secret; readonly tablePrefix: string }
  | { readonly tablesUrl: string; readonly clientId?: string | undefined; readonly tablePrefix: string };

/** The longest wait for one answer of Table Storage. */
const answerTimeoutMs = 10_000;

const limits: TableServiceClientOptions = {
  retryOptions: { maxRetries: 2, retryDelayInMs: 200, maxRetryDelayInMs: 2_000 },
  additionalPolicies: [
    {
      position: 'perCall',
      policy: {
        name: 'answerTimeout',
        sendRequest: (request, next) => {
          request.timeout = answerTimeoutMs;
          return next(request);
        },
      },
    },
  ],
};

/** A client of the table `name` of an account. Only the storage emulator is reached by plain HTTP. */
export async function openTable(account: TableAccount, name: string): Promise<TableClient> {
  const table = `${account.tablePrefix}${name}`;
  if ('connectionString' in account) {
    const text = account.connectionString.reveal();
    const emulator = /UseDevelopmentStorage=true|AccountName=devstoreaccount1/i.test(text);
    return TableClient.fromConnectionString(text, table, { ...limits, allowInsecureConnection: emulator });
  }
  const { ManagedIdentityCredential } = await import('@azure/identity');
  const credential = new ManagedIdentityCredential(
    account.clientId === undefined ? {} : { clientId: account.clientId },
  );
  return new TableClient(account.tablesUrl, table, credential, limits);
}
