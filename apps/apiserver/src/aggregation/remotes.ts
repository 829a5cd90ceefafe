import { APIServices } from '@orrery/api';
import type { PluginContext } from '../pipeline/index.ts';
import { type RemoteService, apiServiceName, remoteService } from './api-service.ts';

/** The APIServices that other servers stand behind, as the watch cache has them. */
export class Remotes {
  private readonly read: PluginContext['read'];
  private readonly byName = new Map<string, RemoteService>();
  private readonly listeners = new Set<(name: string) => void>();

  constructor(read: PluginContext['read']) {
    this.read = read;
  }

  start(signal: AbortSignal): void {
    for (const object of this.read.list(APIServices)) this.take(object.metadata?.name ?? '', remoteService(object));
    const stop = this.read.onChange(APIServices, ({ object, old }) => {
      const name = (object ?? old)?.metadata?.name ?? '';
      const remote = object && remoteService(object);
      if (!remote && !this.byName.has(name)) return;
      this.take(name, remote);
      for (const listener of this.listeners) listener(name);
    });
    signal.addEventListener('abort', stop, { once: true });
  }

  get(name: string): RemoteService | undefined {
    return this.byName.get(name);
  }

  /** Whose a URL path is: `/apis/GROUP/VERSION` or below. */
  ofPath(path: string): RemoteService | undefined {
    if (!this.byName.size) return undefined;
    const [, root, group = '', version = ''] = path.split('/', 4);
    return root === 'apis' && group && version ? this.byName.get(apiServiceName(group, version)) : undefined;
  }

  names(): string[] {
    return [...this.byName.keys()];
  }

  all(): RemoteService[] {
    return [...this.byName.values()];
  }

  /** Called with the name of one that came, changed or went. */
  onChange(listener: (name: string) => void): void {
    this.listeners.add(listener);
  }

  private take(name: string, remote: RemoteService | undefined): void {
    if (remote) this.byName.set(name, remote);
    else this.byName.delete(name);
  }
}
