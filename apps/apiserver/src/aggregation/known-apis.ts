import { deepEqual } from '@orrery/apimachinery';
import type { RemoteGroupVersion } from '../pipeline/aggregation.ts';
import type { ConnectionNeeds } from './connection.ts';
import { type Discovered, discover, versionDiscovery } from './remote-discovery.ts';
import { type Published, openApiKey, readOpenApi } from './remote-openapi.ts';
import type { Remotes } from './remotes.ts';
import { startWorkLoop } from './work-loop.ts';

const refreshMs = 60_000;

interface Known {
  discovered?: Discovered;
  published?: Published;
  isStale: boolean;
}

/** What other servers say of their APIs, asked again every minute and whenever an APIService changes. */
export class KnownApis {
  private readonly needs: ConnectionNeeds;
  private readonly remotes: Remotes;
  private readonly byName = new Map<string, Known>();
  generation = 0;

  constructor(needs: ConnectionNeeds, remotes: Remotes) {
    this.needs = needs;
    this.remotes = remotes;
  }

  start(signal: AbortSignal): void {
    const keys = (): string[] => this.remotes.names();
    const loop = { concurrency: 2, maxDelayMs: refreshMs, resyncMs: refreshMs, keys };
    const discovery = startWorkLoop(this.needs.env, { ...loop, name: 'discovery-manager', work: (name) => this.discover(name) }, signal);
    const openApi = startWorkLoop(this.needs.env, { ...loop, name: 'open_api_aggregation_controller', work: (name) => this.readOpenApi(name) }, signal);
    this.remotes.onChange((name) => {
      // Its place and rank may have changed, whatever the server says.
      this.generation++;
      if (!this.remotes.get(name)) this.byName.delete(name);
      discovery.add(name);
      openApi.add(name);
    });
  }

  groupVersions(): RemoteGroupVersion[] {
    return this.remotes.all().map(({ name, group, version, groupPriority, versionPriority }) => {
      const known = this.byName.get(name);
      return { group, groupPriority, versionPriority, discovery: versionDiscovery(version, known?.discovered, known?.isStale ?? true) };
    });
  }

  published(name: string): Published | undefined {
    return this.byName.get(name)?.published;
  }

  /** The APIService that publishes `apis/GROUP/VERSION` in OpenAPI v3. */
  ofOpenApi(key: string): string | undefined {
    return this.remotes.all().find((remote) => openApiKey(remote) === key)?.name;
  }

  private entry(name: string): Known {
    const known = this.byName.get(name) ?? { isStale: true };
    this.byName.set(name, known);
    return known;
  }

  private async discover(name: string): Promise<'done'> {
    const remote = this.remotes.get(name);
    if (!remote) return 'done';
    const known = this.entry(name);
    try {
      const found = await discover(remote, known.discovered, this.needs);
      if (known.isStale || !deepEqual(found.resources, known.discovered?.resources)) this.generation++;
      known.discovered = found;
      known.isStale = false;
      return 'done';
    } catch (error) {
      if (!known.isStale) this.generation++;
      known.isStale = true;
      throw error;
    }
  }

  private async readOpenApi(name: string): Promise<'done'> {
    const remote = this.remotes.get(name);
    if (!remote) return 'done';
    const known = this.entry(name);
    const published = await readOpenApi(remote, known.published, this.needs);
    if (published !== known.published) this.generation++;
    known.published = published;
    return 'done';
  }
}
