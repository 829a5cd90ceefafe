import { Agent, type ClientRequest, type RequestOptions, request } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { Conn, Endpoint } from '@orrery/vnet';
import { duplexOverConn } from '../vnet-bridge.ts';
import type { ForwardPlan } from './contract.ts';

/** How a backend is spoken to. */
export type BackendTls = Pick<ForwardPlan, 'protocol' | 'verify' | 'serverName' | 'connectTimeoutMs'>;

type Connect = (options: unknown, done: (error: Error | null, stream: Duplex) => void) => void;
const connectBy = 'orreryConnect';

/** The time for a connection is over. */
export class ConnectTimeout extends Error {}

const keyOf = ({ ip, port }: Endpoint, tls: BackendTls): string => `${tls.protocol} ${tls.verify ? 'v' : ''}${tls.serverName} ${ip}:${port}`;

function withTls(stream: Duplex, tls: BackendTls, protocols: readonly string[]): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ socket: stream, rejectUnauthorized: tls.verify, ALPNProtocols: [...protocols], ...(tls.serverName ? { servername: tls.serverName } : {}) }, () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** Connections to backends: kept for the next request where they speak HTTP/1.1, shared where they speak HTTP/2. */
export class BackendPool {
  private readonly dial: (to: Endpoint) => Promise<Conn>;
  private readonly keepAlive: () => { connections: number; seconds: number };
  private readonly sessions = new Map<string, Promise<ClientHttp2Session>>();
  private agent: Agent;
  private agentLimit = -1;

  constructor(dial: (to: Endpoint) => Promise<Conn>, keepAlive: () => { connections: number; seconds: number }) {
    this.dial = dial;
    this.keepAlive = keepAlive;
    this.agent = new Agent();
  }

  /** A connection of its own. Rejects with ConnectTimeout when it takes too long. */
  async open(endpoint: Endpoint, tls: BackendTls, protocols: readonly string[] = ['http/1.1']): Promise<Duplex> {
    let late = false;
    const connecting = this.dial(endpoint).then(async (conn) => {
      if (late) conn.close();
      const stream = duplexOverConn(conn, { allowHalfOpen: false });
      return tls.protocol === 'HTTPS' || tls.protocol === 'GRPCS' ? withTls(stream, tls, protocols) : stream;
    });
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        late = true;
        reject(new ConnectTimeout(`no connection to ${endpoint.ip}:${endpoint.port} in time`));
      }, tls.connectTimeoutMs);
    });
    connecting.catch(() => undefined);
    try {
      return await Promise.race([connecting, timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A request of HTTP/1.1; over a connection that was kept when `reuse`. `opened` hears when there is a connection. */
  request(endpoint: Endpoint, tls: BackendTls, options: RequestOptions & { reuse: boolean }): ClientRequest {
    const { reuse, ...rest } = options;
    const { connections } = this.keepAlive();
    const createConnection: Connect = (_options, done) => {
      this.open(endpoint, tls).then(
        (stream) => done(null, stream),
        (error: Error) => done(error, undefined as unknown as Duplex),
      );
    };
    if (!reuse || connections === 0) return request({ ...rest, setDefaultHeaders: false, createConnection: createConnection as never });
    // Connections are kept by this name, which is what tells backends apart.
    const place = { host: `${endpoint.ip}-${tls.protocol}-${tls.verify ? 1 : 0}-${tls.serverName}`, port: endpoint.port };
    return request({ ...rest, ...place, setDefaultHeaders: false, agent: this.agentFor(connections), [connectBy]: createConnection } as RequestOptions);
  }

  private agentFor(connections: number): Agent {
    if (this.agentLimit === connections) return this.agent;
    this.agent.destroy();
    this.agentLimit = connections;
    const { seconds } = this.keepAlive();
    this.agent = new Agent({ keepAlive: true, maxFreeSockets: connections, maxTotalSockets: Number.POSITIVE_INFINITY, scheduling: 'lifo', ...(seconds ? { timeout: seconds * 1000 } : {}) });
    // An agent connects by a method of its own: it is told how with each request.
    Object.assign(this.agent, { createConnection: (options: { [connectBy]: Connect }, done: Parameters<Connect>[1]) => void options[connectBy](options, done) });
    return this.agent;
  }

  /** A session of HTTP/2, opened when there is none. */
  session(endpoint: Endpoint, tls: BackendTls): Promise<ClientHttp2Session> {
    const key = keyOf(endpoint, tls);
    const known = this.sessions.get(key);
    if (known) return known;
    const opening = this.open(endpoint, tls, ['h2']).then((stream) => {
      const session = connectHttp2(`http://${endpoint.ip}:${endpoint.port}`, { createConnection: () => stream });
      const forget = (): void => void this.sessions.delete(key);
      session.on('error', forget);
      session.on('close', forget);
      session.on('goaway', forget);
      return session;
    });
    opening.catch(() => this.sessions.delete(key));
    this.sessions.set(key, opening);
    return opening;
  }

  close(): void {
    this.agent.destroy();
    for (const session of this.sessions.values()) session.then((one) => one.destroy(), () => undefined);
    this.sessions.clear();
  }
}
