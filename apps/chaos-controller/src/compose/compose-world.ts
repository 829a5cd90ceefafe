import { Nodes } from '@orrery/api';
import { type ChaosWorld, type Fault, type Inventory, type ProcessFault, ProcessFaultBook, type ToldFaults, apartWorld } from '@orrery/chaos';
import type { ApiClient } from '@orrery/client';
import type { DockerContainer, DockerEngineClient } from '@orrery/node-io';
import type { Random } from '@orrery/runtime';
import { addressesOfNodes, cutLink } from './links.ts';
import { componentOf, componentsOfNode, isTold } from './names.ts';

export interface ComposeParts {
  readonly engine: DockerEngineClient;
  /** The name of the compose project. */
  readonly project: string;
  readonly api: ApiClient;
  readonly random: Random;
}

const projectLabel = 'com.docker.compose.project';
const serviceLabel = 'com.docker.compose.service';
/** From 1, of the containers of a service. */
const numberLabel = 'com.docker.compose.container-number';
const graceSeconds = 10;
const freezeAttempts = 10;

/**
 * Writes what a process is told where it looks for it (infra/compose.yaml: ORRERY_FAULTS_FILE), and waits until it says that it does so. Run in its own container,
 * by the node that is there.
 */
const teller = `const fs = require('fs'); const file = process.env.ORRERY_FAULTS_FILE; const [text, revision] = process.argv.slice(1);
if (!file) { console.log('ORRERY_FAULTS_FILE is not set'); process.exit(1); }
fs.writeFileSync(file + '.new', text); fs.renameSync(file + '.new', file);
const end = Date.now() + 30000;
setInterval(() => { let said = ''; try { said = fs.readFileSync(file + '.applied', 'utf8'); } catch {}
if (said === revision) process.exit(0); if (Date.now() > end) { console.log('not followed within 30 s'); process.exit(1); } }, 20);`;

/** On a busy machine the engine now and then gives up to freeze a container, which then goes on: it is asked again. */
async function frozen(engine: DockerEngineClient, id: string): Promise<void> {
  for (let left = freezeAttempts; ; left--) {
    try {
      return await engine.pause(id);
    } catch (error) {
      if (left <= 1 || !(error as Error).message.includes('unable to freeze')) throw error;
    }
  }
}

/** Faults of the cluster of infra/compose.yaml, by the Docker engine that runs it and by what its processes are told. */
export function composeChaos({ engine, project, api, random }: ComposeParts): ChaosWorld {
  const containers = async (): Promise<DockerContainer[]> => {
    const found = await engine.containers({ [projectLabel]: project });
    if (!found.length) throw new Error(`the Docker engine knows no container of a project ${JSON.stringify(project)}`);
    return found.filter(({ state }) => state !== 'exited');
  };
  const byComponent = async (): Promise<Map<string, string>> => {
    const ids = new Map<string, string>();
    for (const { id, labels } of await containers()) {
      const component = componentOf(labels[serviceLabel] ?? '', Number(labels[numberLabel] ?? 1));
      if (component) ids.set(component, id);
    }
    return ids;
  };

  const each = async (components: readonly string[], act: (id: string) => Promise<void>): Promise<void> => {
    const ids = await byComponent();
    const missing = components.find((component) => !ids.has(component));
    if (missing) throw new Error(`there is no container of ${missing}`);
    await Promise.all(components.map((component) => act(ids.get(component) ?? '')));
  };

  const inventory = async (): Promise<Inventory> => {
    const components = [...(await byComponent()).keys()].sort();
    const listed = await api.list(Nodes).catch(() => undefined);
    const nodes = listed ? listed.items.map(({ metadata }) => ({ name: metadata?.name ?? '', labels: metadata?.labels ?? {} })) : components.flatMap((name) => (name.startsWith('kubelet-') ? [{ name: name.slice('kubelet-'.length) }] : []));
    return { components, nodes };
  };

  const tell = async (component: string, told: ToldFaults): Promise<void> => {
    const id = (await byComponent()).get(component);
    if (!id) throw new Error(`there is no container of ${component}`);
    const { code, output } = await engine.exec(id, ['node', '-e', teller, JSON.stringify(told), told.revision]);
    if (code !== 0) throw new Error(`${component} was told what is wrong with it: ${output.trim()}`);
  };

  const pause = async (components: readonly string[]): Promise<() => Promise<void>> => {
    const struck = [...(await byComponent())].flatMap(([component, id]) => (components.includes(component) ? [id] : []));
    // One that the engine has started anew meanwhile runs.
    const end = async (): Promise<void> => {
      const paused = new Set((await containers()).filter(({ state }) => state === 'paused').map(({ id }) => id));
      await Promise.all(struck.filter((id) => paused.has(id)).map((id) => engine.unpause(id)));
    };
    const outcomes = await Promise.allSettled(struck.map((id) => frozen(engine, id)));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (!failed) return end;
    // All or none of them stand still.
    await end();
    throw failed.reason as Error;
  };

  /** kube-proxy may change the rules of its node's network; nobody else has nft there. */
  const inNetworkOf = async (node: string, script: string): Promise<void> => {
    const id = (await byComponent()).get(`kube-proxy-${node}`);
    if (!id) throw new Error(`there is no container of kube-proxy-${node}`);
    const { code, output } = await engine.exec(id, ['nft', script], 'root');
    if (code !== 0) throw new Error(`the rules of ${node}'s network: ${output.trim()}`);
  };

  // API servers are told of requests as processes are of clocks: not all of them can be reached from outside.
  const book = new ProcessFaultBook(tell);
  const onServers = async (act: (component: string) => Promise<void>): Promise<void> => {
    for (const component of (await byComponent()).keys()) if (/^apiserver(-\d+)?$/.test(component)) await act(component);
  };

  return apartWorld({
    name: 'compose',
    inventory,
    kill: (components) => each(components, (id) => engine.killAndStart(id)),
    restart: (components) => each(components, (id) => engine.restart(id, graceSeconds)),
    pause,
    ofNode: componentsOfNode,
    strikeLink: async (link) => cutLink(link, { addresses: await addressesOfNodes(api), run: inNetworkOf }),
    book,
    isTold,
    requests: {
      add: (id: string, request: Fault) => onServers((component) => book.add(component, { id, request } satisfies ProcessFault)),
      remove: (id: string) => onServers((component) => book.remove(component, id)),
    },
    random,
  });
}
