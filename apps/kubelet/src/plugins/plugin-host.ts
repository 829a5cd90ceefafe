import type { Channel, ServedService } from '@orrery/rpc';

/** Sockets of a machine, by which plug-ins of the node and the kubelet meet. */
export interface PluginHost {
  /** The sockets never change: there is no need to look again once all are known. */
  readonly isFixed?: boolean;
  /** Paths of the sockets below a directory, folders in it too; empty when there is no such directory. */
  sockets(dir: string): Promise<string[]>;
  /** A gRPC channel to the socket at that path. */
  connect(path: string): Channel;
  /** Serves at a new socket, whose directory is made; what was there goes. */
  serve(path: string, services: readonly ServedService[]): Promise<{ stop(): Promise<void> }>;
}
