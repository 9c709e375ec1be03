import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createAddressGuard, isAllowListEntry, isBlockedAddress, type Resolve } from './address-guard.ts';
import { systemClock } from './clock.ts';
import { createHttpPool, HttpError } from './http.ts';

/** Each block's first and last address, and its public neighbours where it has some. */
const blocks: [first: string, last: string, before?: string | undefined, after?: string][] = [
  ['0.0.0.0', '0.255.255.255', undefined, '1.0.0.0'],
  ['10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'],
  ['100.64.0.0', '100.127.255.255', '100.63.255.255', '100.128.0.0'],
  ['127.0.0.0', '127.255.255.255', '126.255.255.255', '128.0.0.0'],
  ['168.63.129.16', '168.63.129.16', '168.63.129.15', '168.63.129.17'],
  ['169.254.0.0', '169.254.255.255', '169.253.255.255', '169.255.0.0'],
  ['172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
  ['192.0.0.0', '192.0.0.255', '191.255.255.255', '192.0.1.0'],
  ['192.0.2.0', '192.0.2.255', '192.0.1.255', '192.0.3.0'],
  ['192.88.99.0', '192.88.99.255', '192.88.98.255', '192.88.100.0'],
  ['192.168.0.0', '192.168.255.255', '192.167.255.255', '192.169.0.0'],
  ['198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.0'],
  ['198.51.100.0', '198.51.100.255', '198.51.99.255', '198.51.101.0'],
  ['203.0.113.0', '203.0.113.255', '203.0.112.255', '203.0.114.0'],
  ['224.0.0.0', '255.255.255.255', '223.255.255.255'],
  ['::', '::ffff:ffff', undefined, '::1:0:0'],
  ['64:ff9b::', '64:ff9b::ffff:ffff', '64:ff9a:ffff::', '64:ff9b::1:0:0'],
  ['64:ff9b:1::', '64:ff9b:1:ffff:ffff:ffff:ffff:ffff', '64:ff9b:0:ffff::', '64:ff9b:2::'],
  ['100::', '100::ffff:ffff:ffff:ffff', 'ff:ffff::', '100:0:0:1::'],
  ['2001::', '2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff', '2000:ffff::', '2001:200::'],
  ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db7:ffff::', '2001:db9::'],
  ['2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2001:ffff::', '2003::'],
  ['3fff::', '3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff', '3ffe:ffff::', '3fff:1000::'],
  ['5f00::', '5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '5eff:ffff::', '5f01::'],
  ['fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fbff:ffff::', 'fe00::'],
  ['fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fe7f:ffff::'],
  ['fec0::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['ff00::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
];

test('every block is refused from its first to its last address, and no neighbour of it', () => {
  for (const [first, last, ...neighbours] of blocks) {
    for (const address of [first, last]) assert.equal(isBlockedAddress(address), true, address);
    for (const address of neighbours) {
      if (address !== undefined) assert.equal(isBlockedAddress(address), false, address);
    }
  }
});

test('an IPv4 address within IPv6 counts as what it is, and text that is no address is refused', () => {
  for (const address of [
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:a00:1',
    '0:0:0:0:0:FFFF:169.254.169.254',
    '::127.0.0.1',
    '64:ff9b::10.0.0.1',
    'fe80::1%eth0',
    '',
    'example.com',
    '127.1',
    '1.2.3.4.5',
  ]) {
    assert.equal(isBlockedAddress(address), true, address);
  }
  for (const address of ['::ffff:8.8.8.8', '2606:4700:4700::1111', '93.184.215.14']) {
    assert.equal(isBlockedAddress(address), false, address);
  }
});

test('an address in a URL is seen in every spelling', () => {
  const guard = createAddressGuard({ allowHttp: true });
  for (const host of [
    '127.0.0.1',
    '127.0.0.1.',
    '127.1',
    '0x7f.1',
    '0x7f000001',
    '0177.0.0.1',
    '017700000001',
    '2130706433',
    '0',
    '%31%32%37.0.0.1',
    '\uff11\uff12\uff17.0.0.1',
    '[::]',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:ffff:a9fe:a9fe]',
    '[::7f00:1]',
    '[fd00::1]',
    'localhost',
    'LOCALHOST.',
    'service.localhost',
    '169.254.169.254',
    '168.63.129.16',
  ]) {
    for (const url of [`http://${host}/`, `https://user:secret@${host}:8443/path`]) {
      assert.match(guard.checkUrl(url) ?? 'accepted', /is not a public address$/, url);
    }
  }
  for (const host of ['example.com', '8.8.8.8', '[2606:4700:4700::1111]', 'localhost.example.com']) {
    assert.equal(guard.checkUrl(`https://${host}/`), undefined, host);
  }
});

test('only web URLs are taken, and plain HTTP only when it is allowed', () => {
  const strict = createAddressGuard();
  assert.equal(strict.checkUrl('http://example.com/'), 'only https is allowed');
  assert.equal(createAddressGuard({ allowHttp: true }).checkUrl('http://example.com/'), undefined);
  for (const url of ['ftp://example.com/', 'file:///etc/passwd', 'javascript:1', 'data:,x']) {
    assert.equal(strict.checkUrl(url), 'only https is allowed', url);
  }
  for (const url of ['', '/relative', 'example.com', 'https://', 'https://[fe80::1%25eth0]/']) {
    assert.equal(strict.checkUrl(url), 'it is not an absolute URL', url);
  }
});

test('an allow-list opens the hosts, addresses and blocks that it names, and nothing beside them', () => {
  const guard = createAddressGuard({
    allowList: ['Intranet.example', '10.1.2.3', '192.168.7.0/24', 'fd00:1::/32', 'localhost'],
  });
  for (const host of [
    '10.1.2.3',
    '192.168.7.255',
    '[::ffff:192.168.7.1]',
    '[fd00:1::5]',
    'localhost',
    'intranet.example.',
  ]) {
    assert.equal(guard.checkUrl(`https://${host}/`), undefined, host);
  }
  for (const host of ['10.1.2.4', '192.168.8.0', '[fd00:2::5]', '127.0.0.1', 'x.localhost']) {
    assert.match(guard.checkUrl(`https://${host}/`) ?? 'accepted', /not a public address/, host);
  }
});

test('an entry of an allow-list is a host name, an address or a CIDR block', () => {
  for (const entry of [
    'a',
    'a-b.example',
    '10.0.0.1',
    '::1',
    '10.0.0.0/8',
    '0.0.0.0/0',
    'fd00::/8',
    '::/128',
  ]) {
    assert.ok(isAllowListEntry(entry), entry);
  }
  for (const entry of [
    '',
    'a b',
    '-a',
    'a/8',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    'https://a',
    'fe80::1%eth0',
    '*.a',
    '10.0.0.0/0x8',
  ]) {
    assert.ok(!isAllowListEntry(entry), entry);
    assert.throws(() => createAddressGuard({ allowList: [entry] }), /no host name, address or CIDR block/);
  }
});

/** A resolver of fixed answers, and what it was asked. */
function resolverOf(answers: Record<string, string[]>): { resolve: Resolve; asked: string[] } {
  const asked: string[] = [];
  const resolve: Resolve = (hostname, _options, callback) => {
    asked.push(hostname);
    const found = answers[hostname];
    if (found === undefined)
      return callback(Object.assign(new Error('no such host'), { code: 'ENOTFOUND' }), []);
    callback(
      null,
      found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  return { resolve, asked };
}

function look(guard: ReturnType<typeof createAddressGuard>, hostname: string, all: boolean) {
  return new Promise<string | LookupAddress[] | Error>((resolve) =>
    guard.lookup(hostname, { all }, (error, address) => resolve(error ?? address)),
  );
}

test('a name leads to its public addresses only, found by one look-up', async () => {
  const { resolve, asked } = resolverOf({
    'mixed.example': ['10.0.0.1', '8.8.8.8', '::1', '::ffff:127.0.0.1', '2606:4700::1'],
    'private.example': ['127.0.0.1', 'fe80::1%eth0'],
  });
  const guard = createAddressGuard({ resolve });
  assert.deepEqual(await look(guard, 'mixed.example', true), [
    { address: '8.8.8.8', family: 4 },
    { address: '2606:4700::1', family: 6 },
  ]);
  assert.equal(await look(guard, 'mixed.example', false), '8.8.8.8');
  assert.match(
    String(await look(guard, 'private.example', true)),
    /private\.example resolves to no public address/,
  );
  assert.match(String(await look(guard, 'missing.example', true)), /no such host/);
  assert.deepEqual(asked, ['mixed.example', 'mixed.example', 'private.example', 'missing.example']);
  const open = createAddressGuard({ resolve, allowList: ['private.example'] });
  assert.equal(await look(open, 'private.example', false), '127.0.0.1');
});

test('a guarded pool sends nothing to a private address, by name or by number', async () => {
  let requests = 0;
  const server = createServer((_request, response) => {
    requests += 1;
    response.end('reached');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const { resolve } = resolverOf({ 'rebound.example': ['127.0.0.1'], 'meant.example': ['127.0.0.1'] });
  const guard = createAddressGuard({ allowHttp: true, allowList: ['meant.example'], resolve });
  const pool = createHttpPool({
    clock: systemClock,
    connectionsMax: 1,
    connectTimeoutMs: 1_000,
    answerBytesMax: 1_000,
    guard,
  });
  const get = (host: string) =>
    pool.send({ method: 'GET', url: `http://${host}:${port}/`, headers: {}, timeoutMs: 2_000 });
  try {
    for (const host of ['rebound.example', '127.0.0.1', '0x7f.1', '[::ffff:127.0.0.1]', 'localhost']) {
      await assert.rejects(get(host), (error) => {
        assert.ok(error instanceof HttpError, host);
        assert.equal(error.failure, 'refused-address', host);
        assert.equal(error.retryable, false);
        assert.equal(error.neverSent, true);
        return true;
      });
    }
    assert.equal(requests, 0);
    assert.equal((await get('meant.example')).body, 'reached');
    assert.equal(requests, 1);
  } finally {
    await pool.close();
    await new Promise((resolve) => server.close(resolve));
  }
});
