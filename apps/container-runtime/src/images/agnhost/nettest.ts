import { HttpParseError } from '@orrery/http';
import { NetError, formatEndpoint } from '@orrery/vnet';
import { httpCall } from '../../net/http-client.ts';
import { type HttpReply, type HttpRequest, serveHttp } from '../../net/http-server.ts';
import type { Proc } from '../../process/proc.ts';
import { signals } from '../../process/signals.ts';
import { type Command } from './flags.ts';
import { goFatal, goLog } from './go-text.ts';
import { InClusterError, askApi } from './in-cluster.ts';

const sleepMs = 5000;
const patienceMs = 300_000;
const rounds = 15;
const maxLog = 500;

interface State {
  readonly hostname: string;
  readonly sent: Map<string, number>;
  readonly received: Map<string, number>;
  readonly errors: string[];
  readonly log: string[];
  contacting: boolean;
}

const count = (map: Map<string, number>, key: string): void => void map.set(key, (map.get(key) ?? 0) + 1);
const orNull = <T>(items: readonly T[]): readonly T[] | null => (items.length ? items : null);
const table = (map: Map<string, number>): object | null => (map.size ? Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1))) : null);

function read({ hostname, sent, received, errors, log, contacting }: State): string {
  return JSON.stringify({ Hostname: hostname, Sent: table(sent), Received: table(received), Errors: orNull(errors), Log: orNull(log), StillContactingPeers: contacting }, null, '\t');
}

async function write(state: State, request: HttpRequest): Promise<HttpReply> {
  let source = '';
  try {
    source = (JSON.parse((await request.body()).toString()) as { Source?: string }).Source ?? '';
  } catch (error) {
    state.errors.push((error as Error).message);
  }
  if (source) count(state.received, source);
  else state.errors.push(`${state.hostname}: Got request with no source`);
  return { status: 200, body: `${JSON.stringify({ Hostname: state.hostname })}\n` };
}

function note(state: State, line: string): void {
  state.log.push(line);
  if (state.log.length > maxLog) state.log.shift();
}

interface Peers {
  readonly namespace: string;
  readonly service: string;
  readonly wanted: number;
}

interface Endpoints {
  readonly subsets?: readonly { readonly addresses?: readonly { readonly ip: string }[]; readonly ports?: readonly { readonly port: number }[] }[];
}

async function endpoints(proc: Proc, state: State, { namespace, service }: Peers): Promise<string[]> {
  try {
    const { status, body } = await askApi(proc, `/api/v1/namespaces/${namespace}/endpoints/${service}`);
    if (status !== 200) throw new InClusterError(body.trim());
    const { subsets = [] } = JSON.parse(body) as Endpoints;
    return subsets.flatMap(({ addresses = [], ports = [] }) => addresses.flatMap(({ ip }) => ports.map(({ port }) => `http://${formatEndpoint({ ip, port })}`)));
  } catch (error) {
    if (!(error instanceof InClusterError)) throw error;
    note(state, `Unable to read the endpoints for ${namespace}/${service}: ${error.message}.`);
    return [];
  }
}

async function contact(proc: Proc, state: State, peer: string): Promise<void> {
  note(state, `Attempting to contact ${peer}`);
  try {
    const reply = await httpCall(proc, { url: new URL(`${peer}/write`), method: 'POST', headers: [['Content-Type', 'application/json']], body: Buffer.from(JSON.stringify({ Source: state.hostname, Dest: peer })) });
    const chunks: Uint8Array[] = [];
    for await (const bytes of reply.body) chunks.push(bytes);
    count(state.sent, (JSON.parse(Buffer.concat(chunks).toString()) as { Hostname: string }).Hostname);
  } catch (error) {
    if (!(error instanceof NetError || error instanceof HttpParseError || error instanceof SyntaxError)) throw error;
    note(state, `Warning: unable to contact the endpoint ${JSON.stringify(peer)}: ${error.message}`);
  }
}

/** Writes to every peer, several times, because new ones come in late. */
async function contactAll(proc: Proc, state: State, peers: Peers): Promise<void> {
  const end = proc.clock.monotonic() + patienceMs;
  while (proc.clock.monotonic() < end) {
    const found = await endpoints(proc, state, peers);
    if (found.length >= peers.wanted) break;
    note(state, `${peers.namespace}/${peers.service} has ${found.length} endpoints (${found.join(' ')}), which is less than ${peers.wanted} as expected. Waiting for all endpoints to come up.`);
    await proc.sleep(sleepMs);
  }
  for (let round = 0; round < rounds; round++) {
    for (const peer of await endpoints(proc, state, peers)) await contact(proc, state, peer);
    await proc.sleep(sleepMs);
  }
  state.contacting = false;
}

/** Web servers that look for one another in a service and tell who heard from whom. */
export const nettest: Command = async (proc, flags) => {
  const peers: Peers = { namespace: flags.get('namespace') ?? 'default', service: flags.get('service') ?? 'nettest', wanted: flags.number('peers', 8) };
  if (peers.service === '') return goFatal(proc, 'Must provide -service flag.');
  const delaySeconds = flags.number('delay-shutdown', 0);
  const state: State = { hostname: proc.host.hostname, sent: new Map(), received: new Map(), errors: [], log: [], contacting: true };
  const status = (): string => (state.sent.size >= peers.wanted && state.received.size >= peers.wanted ? 'pass' : state.contacting ? 'running' : 'fail');
  return new Promise<number>((resolve, reject) => {
    const leave = async (): Promise<void> => {
      if (delaySeconds > 0) {
        await goLog(proc, `Sleeping ${delaySeconds} seconds before exit ...`);
        await proc.sleep(delaySeconds * 1000);
      }
      resolve(0);
    };
    proc.onSignal(signals.TERM, () => void leave().catch(reject));
    serveHttp(proc, { ip: '', port: flags.number('port', 8080) }, (request) => {
      if (request.path === '/read') return { status: 200, body: read(state) };
      if (request.path === '/write') return write(state, request);
      if (request.path === '/status') return { status: 200, body: status() };
      if (request.path !== '/quit') return { status: 404, body: '404 page not found\n' };
      resolve(0);
      return { status: 200 };
    });
    contactAll(proc, state, peers).catch(reject);
  });
};
