import { type IncomingMessage, request } from 'node:http';

/** A container as the engine tells of it. */
export interface DockerContainer {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `running`, `paused`, `exited` … */
  readonly state: string;
}

/** A Docker engine, asked over its API. Calls reject with the engine's own words. */
export interface DockerEngineClient {
  /** Containers with all of these labels, whether or not they run. */
  containers(labels: Readonly<Record<string, string>>): Promise<DockerContainer[]>;
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  /** Ends a container at once and starts it again: to the engine itself a kill is a wish that it stay away. */
  killAndStart(id: string): Promise<void>;
  /** Stops it in good order, at most so long, and starts it again. */
  restart(id: string, graceSeconds: number): Promise<void>;
  /** Runs a command in a container, as its user or as another; resolves to its exit code and what it printed. */
  exec(id: string, command: readonly string[], user?: string): Promise<{ readonly code: number; readonly output: string }>;
}

interface Address {
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: number;
}

const defaultAddress = 'unix:///var/run/docker.sock';

/** `unix:///path` or `tcp://host:port`, as DOCKER_HOST says it. */
function addressOf(text: string): Address {
  if (text.startsWith('unix://')) return { socketPath: text.slice('unix://'.length) };
  const url = URL.parse(text.replace(/^tcp:/, 'http:'));
  if (url?.protocol === 'http:') return { host: url.hostname, port: Number(url.port || 2375) };
  throw new Error(`${JSON.stringify(text)} is no address of a Docker engine such as ${defaultAddress} or tcp://host:2375`);
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** The words of the engine's error. */
function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text;
  } catch {
    return text;
  }
}

/** `host` as DOCKER_HOST; default: that, or the socket of this machine. */
export function dockerEngine(host: string = process.env['DOCKER_HOST'] || defaultAddress): DockerEngineClient {
  const address = addressOf(host);
  const ask = (method: string, path: string, body?: object): Promise<string> =>
    new Promise((resolve, reject) => {
      const call = request({ ...address, method, path, headers: { host: 'docker', ...(body ? { 'content-type': 'application/json' } : {}) } }, (response) => {
        textOf(response).then((text) => ((response.statusCode ?? 500) >= 400 ? reject(new Error(`the Docker engine: ${messageOf(text).trim()}`)) : resolve(text)), reject);
      });
      call.on('error', (error) => reject(new Error(`the Docker engine at ${host} does not answer: ${error.message}`)));
      call.end(body && JSON.stringify(body));
    });
  const act = async (id: string, verb: string): Promise<void> => void (await ask('POST', `/containers/${id}/${verb}`));
  return {
    async containers(labels) {
      const filters = encodeURIComponent(JSON.stringify({ label: Object.entries(labels).map(([key, value]) => `${key}=${value}`) }));
      const found = JSON.parse(await ask('GET', `/containers/json?all=1&filters=${filters}`)) as { Id: string; Labels: Record<string, string>; State: string }[];
      return found.map(({ Id, Labels, State }) => ({ id: Id, labels: Labels, state: State }));
    },
    pause: (id) => act(id, 'pause'),
    unpause: (id) => act(id, 'unpause'),
    async killAndStart(id) {
      await act(id, 'kill');
      await act(id, 'wait');
      await act(id, 'start');
    },
    restart: (id, graceSeconds) => act(id, `restart?t=${graceSeconds}`),
    async exec(id, command, user) {
      // With a terminal its output comes as it is; without, in frames.
      const { Id } = JSON.parse(await ask('POST', `/containers/${id}/exec`, { Cmd: command, ...(user ? { User: user } : {}), AttachStdout: true, AttachStderr: true, Tty: true })) as { Id: string };
      const output = await ask('POST', `/exec/${Id}/start`, { Detach: false, Tty: true });
      const { ExitCode } = JSON.parse(await ask('GET', `/exec/${Id}/json`)) as { ExitCode: number | null };
      return { code: ExitCode ?? -1, output };
    },
  };
}
