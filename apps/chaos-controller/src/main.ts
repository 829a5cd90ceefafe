import { hostname } from 'node:os';
import { type DockerEngineClient, apiConnectionSchema, connectApi, dockerEngine, realRandom, runMain } from '@orrery/node-io';
import { ConfigError } from '@orrery/runtime';
import { composeChaos, createChaosController } from './component.ts';

/** A container's host name is the beginning of its id unless told otherwise. */
async function ownProject(engine: DockerEngineClient): Promise<string> {
  const own = (await engine.containers({})).find(({ id }) => id.startsWith(hostname()));
  const project = own?.labels['com.docker.compose.project'];
  if (!project) throw new ConfigError('--project is needed: this is no container of a compose project');
  return project;
}

await runMain({
  name: 'chaos-controller',
  summary: 'injects the faults that Experiments describe into the cluster of infra/compose.yaml',
  schema: {
    ...apiConnectionSchema,
    dockerHost: { type: 'string', default: '', help: 'the Docker engine that runs the cluster, as DOCKER_HOST has it. Default: that, or unix:///var/run/docker.sock' },
    project: { type: 'string', default: '', help: 'name of the compose project (docker compose -p); default: that of the container it runs in' },
  },
  async create({ env, config }) {
    const api = await connectApi(env, config, 'chaos-controller');
    const engine = dockerEngine(config.dockerHost || undefined);
    const project = config.project || (await ownProject(engine));
    return createChaosController(env, { api, world: composeChaos({ engine, project, api, random: realRandom }), cluster: project });
  },
});
