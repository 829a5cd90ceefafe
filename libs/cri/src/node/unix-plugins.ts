import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Channel, type ServedService, grpcChannel, grpcServer } from '@orrery/rpc';
import { inNodeRoot } from './node-root.ts';

/** Sockets of this machine, or of the emulated node whose `/` is `root`, where plug-ins of a node and its kubelet meet. */
export function unixPlugins(root = '/'): {
  sockets(dir: string): Promise<string[]>;
  connect(path: string): Channel;
  serve(path: string, services: readonly ServedService[]): Promise<{ stop(): Promise<void> }>;
} {
  return {
    async sockets(dir) {
      try {
        const entries = await readdir(inNodeRoot(root, dir), { recursive: true, withFileTypes: true });
        const base = inNodeRoot(root, dir);
        return entries.filter((entry) => entry.isSocket()).map((entry) => join(dir, entry.parentPath.slice(base.length), entry.name));
      } catch (error) {
        if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
        throw error;
      }
    },
    connect: (path) => grpcChannel(`unix:${inNodeRoot(root, path)}`, { serverName: 'localhost' }),
    async serve(path, services) {
      const socket = inNodeRoot(root, path);
      await mkdir(dirname(socket), { recursive: true, mode: 0o750 });
      await rm(socket, { force: true });
      const server = grpcServer([...services]);
      await server.listen(`unix:${socket}`);
      return { stop: () => server.stop() };
    },
  };
}
