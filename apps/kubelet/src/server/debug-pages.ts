import type { Pod } from '@orrery/api/types';
import { type PageReply, flagsOf, flagzPage, statuszPage } from '@orrery/node-io/z-pages';
import { RpcError, goStatus } from '@orrery/rpc';
import { rfc3339, setVerbosity } from '@orrery/runtime';
import { kubeletSchema } from '../config.ts';
import { shownConfiguration } from '../configuration/shown.ts';
import { allContainers } from '../pods/pod-spec.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import { latestContainer } from '../runtime/pod-runtime.ts';
import { serveContainerLogs } from './container-logs.ts';
import { type Page, onlyGet } from './node-pages.ts';
import { HttpFault, notFound, sendBytes, sendJson, sendText } from './reply.ts';
import { serveSystemLogs } from './system-logs.ts';

/** Refused where debugging is off, rather than unknown. */
const debugging = new Set(['run', 'exec', 'attach', 'portForward', 'containerLogs', 'runningpods', 'logs']);
const maxFlagBytes = 1024;

const onlyPost = ({ request }: Page): void => {
  if (request.method !== 'POST') throw new HttpFault(405, '405: Method Not Allowed');
};

/** POST /run/{namespace}/{pod}/{container}?cmd=… */
async function run({ route: { parts, url }, response, find }: Page): Promise<void> {
  const [, namespace = '', pod = '', ...rest] = parts;
  const container = rest.at(-1) ?? '';
  const { kubelet, worker } = find({ namespace, pod, uid: rest.length > 1 ? rest[0] : undefined });
  const instance = latestContainer(worker.runtime, container);
  if (instance?.state !== 'running') throw new HttpFault(500, `container not found ("${container}")`);
  const { output } = await kubelet.context.runtime.execSync(instance.id, (url.searchParams.get('cmd') ?? '').split(' '), 0);
  sendBytes(response, 'application/json', output);
}

/** What the runtime runs now, told in the words of pods. */
function runningPod({ uid, pod, runtime }: PodWorker): Pod[] {
  const running = runtime.containers.filter(({ state }) => state === 'running');
  if (!running.length) return [];
  const { name = '', namespace = '' } = pod.metadata ?? {};
  return [{ metadata: { name, namespace, uid }, spec: { containers: running.map((one) => ({ name: one.name, image: one.image, resources: {} })) }, status: {} }];
}

/** POST /checkpoint/{namespace}/{pod}/{container}?timeout=seconds */
async function checkpoint({ env, route: { parts, url }, response, find }: Page): Promise<void> {
  const [, namespace = '', pod = '', name = ''] = parts;
  const { kubelet, worker } = find({ namespace, pod });
  if (!allContainers(worker.pod).some(({ container }) => container.name === name)) throw new HttpFault(404, `container ${name} does not exist`);
  const timeout = url.searchParams.getAll('timeout').at(-1);
  if (timeout !== undefined && !/^[+-]?\d{1,18}$/.test(timeout)) throw new HttpFault(404, 'cannot parse value of timeout parameter');
  const { runtime, config } = kubelet.context;
  const location = `${config.rootDir}/checkpoints/checkpoint-${pod}_${namespace}-${name}-${rfc3339(env.clock.now())}.tar`;
  const instance = latestContainer(worker.runtime, name);
  try {
    if (instance?.state !== 'running') throw new Error(`container ${name} not found`);
    await runtime.clients.runtime.checkpointContainer({ containerId: instance.id, location, ...(timeout === undefined ? {} : { timeout: BigInt(timeout) }) });
  } catch (error) {
    throw new HttpFault(500, `checkpointing of ${namespace}/${pod}/${name} failed (${error instanceof RpcError ? goStatus(error) : (error as Error).message})`);
  }
  sendJson(response, { items: [location] });
}

/** PUT /debug/flags/v: the verbosity of the log, by klog's numbers. */
async function serveVerbosity({ env, request, response }: Page): Promise<void> {
  if (request.method !== 'PUT') return sendText(response, 406, 'unsupported http method');
  const { status, text } = setVerbosity(env.log, (await request.body(maxFlagBytes)).toString('utf8'));
  sendText(response, status, text);
}

async function debug(page: Page): Promise<void> {
  const [, what = '', name = ''] = page.route.parts;
  if (what === 'flags' && name === 'v') return serveVerbosity(page);
  if (what !== 'pprof') throw notFound();
  onlyGet(page);
  // Go's runtime has profiles by name; none of them is had here.
  if (name) throw new HttpFault(404, 'Unknown profile\n');
  sendBytes(page.response, 'text/html; charset=utf-8', '<html>\n<head>\n<title>/debug/pprof/</title>\n</head>\n<body>\n/debug/pprof/\n<p>There are no profiles of Go here.</p>\n</body>\n</html>\n');
}

/** Which of these pages the node's configuration has switched off, in upstream's words. */
function refusal({ configuration, route: { path } }: Page): string | undefined {
  const { enableDebuggingHandlers, enableSystemLogHandler, enableProfilingHandler, enableDebugFlagsHandler } = configuration ?? {};
  const under = (prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`);
  // Then all but these are not there at all.
  if (enableDebuggingHandlers === false) return debugging.has(path.split('/')[1] ?? '') || under('/debug/pprof') ? 'Debug endpoints are disabled.' : undefined;
  if (enableSystemLogHandler === false && under('/logs')) return 'logs endpoint is disabled.';
  if (enableProfilingHandler === false && under('/debug/pprof')) return 'profiling endpoint is disabled.';
  return enableDebugFlagsHandler === false && path === '/debug/flags/v' ? 'flags endpoint is disabled.' : undefined;
}

const pages: Readonly<Record<string, (page: Page) => Promise<void> | void>> = {
  async containerLogs(page) {
    onlyGet(page);
    const { parts, url } = page.route;
    const [, namespace = '', pod = '', container = ''] = parts;
    if (parts.length !== 4) throw notFound();
    await serveContainerLogs({ namespace, pod, container, query: url.searchParams, find: page.find }, page.request, page.response);
  },
  async run(page) {
    onlyPost(page);
    await run(page);
  },
  async checkpoint(page) {
    onlyPost(page);
    if (page.route.parts.length !== 4) throw notFound();
    await checkpoint(page);
  },
  runningpods(page) {
    onlyGet(page);
    sendJson(page.response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: [...page.kubelet().pods.list()].flatMap(runningPod) });
  },
  configz({ kubelet, program, response }) {
    const { nodeName, context: { config, configuration } } = kubelet();
    sendJson(response, { kubeletconfig: shownConfiguration(config, program(nodeName), configuration) });
  },
  async logs(page) {
    onlyGet(page);
    await serveSystemLogs(page);
  },
  debug,
};

const component = 'kubelet';
/** What /statusz lists: upstream's handlers that are no web services. */
const handlers = ['/configz', '/debug/flags/v', '/flagz', '/healthz', '/metrics'];

const acceptOf = ({ request: { headers } }: Page): string | undefined => {
  const accept = headers['accept'];
  return typeof accept === 'string' ? accept : accept?.join(',');
};

const send = ({ response }: Page, { status, headers, body }: PageReply): void => response.send(status, headers, body);

/** `/statusz` and `/flagz`, as text or, by `Accept`, as objects. */
const zPages: typeof pages = {
  statusz: (page) => send(page, statuszPage(acceptOf(page), { component, startedMs: page.startedMs, nowMs: page.env.clock.now(), paths: handlers })),
  flagz: (page) => send(page, flagzPage(acceptOf(page), { component, flags: page.flags ?? flagsOf(page.kubelet().context.config, kubeletSchema) })),
};

const upgradeRequired = (): never => {
  throw new HttpFault(400, 'Upgrade request required');
};

/** Pages that need authorization; where nobody is asked who he is they are refused or unknown. False for other paths. */
export async function serveDebugPage(page: Page, { authenticated }: { authenticated: boolean }): Promise<boolean> {
  const [kind = ''] = page.route.parts;
  const serve = ['exec', 'attach', 'portForward'].includes(kind) ? upgradeRequired : (pages[kind] ?? (page.route.parts.length === 1 ? zPages[kind] : undefined));
  if (!serve) return false;
  if (!authenticated) {
    if (!debugging.has(kind) && !page.route.path.startsWith('/debug/pprof')) return false;
    throw new HttpFault(405, 'Debug endpoints are disabled.\n');
  }
  const refused = refusal(page);
  if (refused) throw new HttpFault(405, `${refused}\n`);
  if (page.configuration?.enableDebuggingHandlers === false) return false;
  await serve(page);
  return true;
}
