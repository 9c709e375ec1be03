import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { type ConfigError, configJsonSchema, parseConfig } from './load.ts';

const settings = {
  PROXY: 'https://cluster-kafkarest.azurehdinsight.net/',
  CLIENT_SECRET: 'hunter2hunter2',
  SIGNING: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  AzureWebJobsStorage: 'UseDevelopmentStorage=true',
};

const minimal = {
  proxy: {
    url: '${PROXY}',
    auth: { kind: 'clientSecret', tenantId: 't', clientId: 'c', clientSecret: '${CLIENT_SECRET}' },
  },
  sources: { orders: {} },
  routes: [{ source: 'orders', topic: 'orders.v1', key: '/id' }],
  schedules: { nightly: { cron: '0 0 3 * * *' } },
  subscriptions: {
    audit: {
      topics: ['orders.v1'],
      endpoint: { url: 'https://audit.example.com/hook', signingSecrets: ['${SIGNING}'] },
    },
  },
};

function parse(changes: object = {}) {
  return parseConfig({
    file: 'bridge.config.json',
    text: JSON.stringify({ ...minimal, ...changes }),
    settings,
  });
}

function complaints(changes: object): string {
  try {
    parse(changes);
  } catch (error) {
    return (error as ConfigError).message;
  }
  return 'accepted';
}

test('a small configuration is completed by defaults and its references are filled', () => {
  const config = parse();
  assert.equal(config.proxy.url, 'https://cluster-kafkarest.azurehdinsight.net');
  assert.equal(config.proxy.scope, 'https://hib.azurehdinsight.net/.default');
  assert.equal(config.subscriptions.audit?.start, 'latest');
  assert.equal(config.drain.leaseMs, 60_000);
  assert.ok('connectionString' in config.storage);
  assert.equal(config.storage.connectionString.reveal(), 'UseDevelopmentStorage=true');
});

test('an entry that no schema sees is refused, not left out', () => {
  const text = JSON.stringify(minimal).replace('"audit":', '"__proto__":');
  assert.throws(() => parseConfig({ file: 'f', text, settings }), /nothing can have the name "__proto__"/);
});

test('a connection string that is none is told before a table is asked for', () => {
  const parseWith = (AzureWebJobsStorage: string) =>
    parseConfig({ file: 'f', text: JSON.stringify(minimal), settings: { ...settings, AzureWebJobsStorage } });
  assert.throws(() => parseWith('sluicestorage'), /connectionString: must be a connection string such as/);
  for (const text of [
    'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=aw==;EndpointSuffix=core.windows.net',
    'TableEndpoint=https://a.table.core.windows.net/;SharedAccessSignature=sv=1&sig=2',
  ]) {
    assert.ok(parseWith(text));
  }
});

test('everything that is wrong is reported at once, with its path and what would be right', () => {
  const message = complaints({
    proxy: {
      url: 'kafka:9092',
      auth: { kind: 'clientSecret', tenantId: 't', clientId: 'c', clientSecret: 'plain' },
    },
    routes: [{ source: 'nowhere', topic: 'a topic' }],
    schedules: { nightly: { cron: '0 3 * * *' } },
    sources: { 'github-': {} },
    subscriptions: { Audit: { topics: [], endpoint: { url: '${MISSING}' } } },
    surprise: true,
  });
  for (const expected of [
    /proxy\.url: must be an absolute http\(s\) URL/,
    /proxy\.auth\.clientSecret: holds a secret: name a setting/,
    /routes\.0\.topic: must be a Kafka topic name/,
    /schedules\.nightly\.cron: must have six fields/,
    /sources\.github-: source names are .* with no hyphen first or last/,
    /subscriptions\.Audit: .*lower-case/,
    /\(file\): takes no "surprise"; it takes: \$schema, proxy, /,
  ]) {
    assert.match(message, expected);
  }
});

test('a setting that is missing is named', () => {
  const endpoint = { url: '${MISSING}', signingSecrets: ['${ALSO_MISSING}'] };
  const message = complaints({ subscriptions: { audit: { topics: ['a'], endpoint } } });
  assert.match(message, /subscriptions\.audit\.endpoint\.url: the setting MISSING is not set/);
  assert.match(message, /signingSecrets\.0: the setting ALSO_MISSING is not set/);
  assert.equal(message.split('\n').length, 3, 'and each of them once');
});

test('what no single field can see is refused too', () => {
  assert.match(
    complaints({ routes: [{ source: 'nowhere', topic: 'a' }] }),
    /routes\.0\.source: there is no source "nowhere"/,
  );
  assert.match(
    complaints({ drain: { leaseMs: 20_000 } }),
    /subscriptions\.audit\.endpoint\.timeoutMs: must be at most half of drain\.leaseMs/,
  );
});

test('secrets are shown nowhere', () => {
  const config = parse();
  for (const shown of [JSON.stringify(config), inspect(config, { depth: 10 })]) {
    assert.doesNotMatch(shown, /hunter2|MfKQ9r8/);
    assert.match(shown, /\*\*\*/);
  }
});

test('the JSON Schema for editors covers the whole file', () => {
  const schema = configJsonSchema() as { properties: Record<string, unknown> };
  assert.deepEqual(Object.keys(schema.properties), [
    '$schema',
    'proxy',
    'storage',
    'sources',
    'routes',
    'schedules',
    'subscriptions',
    'ingest',
    'drain',
    'limits',
  ]);
});
