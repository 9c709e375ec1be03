import { once } from 'node:events';
import type { Server } from 'node:http';
import { Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** A server that listens, on this machine only. */
export interface LoopbackServer {
  /** `http://HOST:PORT`, or `https:` */
  readonly url: string;
  /** Takes no more connections, and cuts those that are open. */
  close(): Promise<void>;
}

/** Has a server listen at a name or address of this machine. @throws when the port is taken. */
export async function listenOnLoopback(
  server: Server,
  options: {
    /** `localhost` is what certificates are for; the address saves looking it up. */
    readonly host: 'localhost' | '127.0.0.1';
    /** 0 takes a free one. */
    readonly port: number;
  },
): Promise<LoopbackServer> {
  const { host, port } = options;
  await once(server.listen(port, host), 'listening');
  const scheme = server instanceof TlsServer ? 'https' : 'http';
  return {
    url: `${scheme}://${host}:${(server.address() as AddressInfo).port}`,
    close: async () => {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
