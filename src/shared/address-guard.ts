import { type LookupAddress, type LookupAllOptions, lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { assert } from './assert.ts';
import { SluiceError } from './error.ts';

/** Keeps outgoing requests away from this machine, its platform and its private networks. */
export interface AddressGuard {
  /**
   * Looks at a URL before anything is resolved: its scheme, and its host where that is an address in any spelling
   * (`0x7f.1`, `2130706433`, `[::ffff:127.0.0.1]`) or a name of this machine.
   *
   * @returns why the URL is refused; undefined when it may be tried.
   */
  checkUrl(url: string): string | undefined;
  /**
   * The lookup for a connector: every address that a name resolves to is filtered, and the connection goes to what
   * is left, so there is no second look-up in which the name could mean something else (DNS rebinding). Addresses
   * written as such never come here: they are for `checkUrl`. Fails with a {@link RefusedAddressError}.
   */
  readonly lookup: LookupFunction;
}

/** What a guard lets through besides public addresses over HTTPS. */
export interface AddressGuardOptions {
  /** Also takes `http:` URLs. */
  readonly allowHttp?: boolean;
  /** Private targets that are meant: host names, addresses and CIDR blocks, each an {@link isAllowListEntry}. */
  readonly allowList?: readonly string[];
  /** Resolves names; the system's resolver by default. */
  readonly resolve?: Resolve;
}

/** Resolves a name to all its addresses, as `lookup` of node:dns does with `all`. */
export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** A name resolves to no address that may be connected to. */
export class RefusedAddressError extends SluiceError {
  constructor(hostname: string) {
    const message = `${hostname} resolves to no public address`;
    super({ code: 'address-guard.refused', message, retryable: false });
  }
}

/** Makes the guard for one use and its allow-list. */
export function createAddressGuard(options: AddressGuardOptions = {}): AddressGuard {
  const { allowHttp = false, allowList = [], resolve = systemLookup } = options;
  const allowed = compileAllowList(allowList);
  const refuses = (address: string) => isBlockedAddress(address) && !contains(allowed.addresses, address);
  return {
    checkUrl: (url) => {
      if (!URL.canParse(url)) return 'it is not an absolute URL';
      const { protocol, hostname } = new URL(url);
      if (protocol !== 'https:' && !(allowHttp && protocol === 'http:')) {
        return allowHttp ? 'only http and https are allowed' : 'only https is allowed';
      }
      const host = normalHost(hostname);
      if (allowed.hosts.has(host)) return undefined;
      const isPrivate = isIP(host) === 0 ? isLocalName(host) : refuses(host);
      return isPrivate ? `${host} is not a public address` : undefined;
    },
    lookup: (hostname, lookupOptions, callback) => {
      resolve(hostname, { ...lookupOptions, all: true }, (error, found) => {
        if (error !== null) return callback(error, []);
        const addresses = allowed.hosts.has(normalHost(hostname))
          ? found
          : found.filter(({ address }) => !refuses(address));
        const [first] = addresses;
        if (first === undefined) {
          callback(new RefusedAddressError(hostname), []);
        } else if (lookupOptions.all) callback(null, addresses);
        else callback(null, first.address, first.family);
      });
    },
  };
}

/** True for an address that is not public, and for text that is no address. IPv4 within IPv6 counts as IPv4. */
export function isBlockedAddress(address: string): boolean {
  return isIP(address) === 0 || contains(notPublic, address);
}

/** True for a host name, an address or a CIDR block (`10.1.0.0/16`, `fd00::/8`). */
export function isAllowListEntry(entry: string): boolean {
  if (entry.includes('%')) return false;
  if (!entry.includes('/')) return isIP(entry) !== 0 || hostName.test(entry);
  const [address = '', bits = '', ...rest] = entry.split('/');
  const version = isIP(address);
  return (
    version !== 0 && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= bitsMax[familyOf(address)]
  );
}

const hostName = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i;
const bitsMax = { ipv4: 32, ipv6: 128 } as const;

/**
 * IANA's special-purpose address registries (RFC 6890 and its updates), multicast, and 168.63.129.16, by which
 * Azure's platform serves its guests. `::/96` holds the unspecified and loopback addresses and the deprecated
 * IPv4-compatible ones; 6to4 (`2002::/16`) and NAT64 (`64:ff9b::/96`) can carry any IPv4 address within them.
 */
const notPublic = compileBlocks([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
]);

function compileBlocks(entries: readonly string[]): BlockList {
  const blocks = new BlockList();
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/');
    const family = familyOf(address);
    blocks.addSubnet(address, bits === undefined ? bitsMax[family] : Number(bits), family);
  }
  return blocks;
}

function compileAllowList(entries: readonly string[]) {
  for (const entry of entries) {
    assert(isAllowListEntry(entry), `"${entry}" is no host name, address or CIDR block`);
  }
  const isHost = (entry: string) => !entry.includes('/') && isIP(entry) === 0;
  return {
    hosts: new Set(entries.filter(isHost).map(normalHost)),
    addresses: compileBlocks(entries.filter((entry) => !isHost(entry))),
  };
}

/** `BlockList` looks at an IPv4 address within IPv6 (`::ffff:0:0/96`) by its IPv4 rules; it knows no zones. */
function contains(blocks: BlockList, address: string): boolean {
  const [withoutZone = ''] = address.split('%');
  return blocks.check(withoutZone, familyOf(withoutZone));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}

/** Without the brackets of an IPv6 address and the dot that ends a fully qualified name. */
function normalHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

/** Names that mean this machine wherever they are resolved (RFC 6761, section 6.3). */
function isLocalName(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost');
}
