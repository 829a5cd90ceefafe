import { Nodes } from '@orrery/api';
import type { Node } from '@orrery/api/types';
import { type ApiClient, createInformer } from '@orrery/client';
import { type PeerNode, type Shell, createIp, hostRouteLines } from '@orrery/linux';
import type { Component, Env, Timer } from '@orrery/runtime';
import { createSyncRunner } from '../sync-runner.ts';

/** How often routes are made again that went with an interface, as when the node was cut off its network and plugged in again. */
const repairMs = 5_000;

const podCidrsOf = ({ spec }: Node): readonly string[] => spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []);

function peerOf(node: Node): PeerNode[] {
  const addresses = (node.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
  return addresses.map((address) => ({ address, podCidrs: podCidrsOf(node) }));
}

/**
 * Lines of `ip -batch` for the routes of a node whose pods' addresses are its own: its whole range is local, so that a pod's address needs no interface;
 * those of the others are behind their nodes, as flannel's `host-gw` has it. All can be said again. Without `localPods`, where pods
 * have namespaces of their own, the node's own range is somebody else's business.
 */
export function podRouteLines(nodes: readonly Node[], self: string, { localPods = true }: { localPods?: boolean } = {}): string[] {
  const own = nodes.filter(({ metadata }) => metadata?.name === self);
  const others = nodes.filter((node) => !own.includes(node));
  // Without `src` the node would seem to be the very pod it asks.
  const local = !localPods ? [] : hostRouteLines(own.flatMap(peerOf)).map((line) => line.replace(/^route replace (\S+) via (\S+)$/, 'route replace local $1 dev lo src $2'));
  return [...local, ...hostRouteLines(others.flatMap(peerOf))];
}

/** The word that takes a route away again. */
const removalOf = (line: string): string => line.replace(/^route replace/, 'route del');

/** Keeps the kernel's routes to pods like the ranges of the nodes. */
export function createPodRoutes(env: Env, { api, shell, nodeName, localPods }: { api: ApiClient; shell: Shell; nodeName: string; localPods: boolean }): Component {
  const nodes = createInformer(api, Nodes, { env });
  const ip = createIp(shell);
  let programmed: readonly string[] = [];
  let ready = false;
  let repair: Timer | undefined;
  const runner = createSyncRunner(env, {
    delayMs: 0,
    what: 'the routes to pods',
    async sync() {
      const wanted = podRouteLines([...nodes.list()], nodeName, { localPods });
      // One that is gone already went with its interface.
      for (const line of programmed.filter((old) => !wanted.includes(old))) await ip.batch([removalOf(line)]).catch((error: unknown) => env.log.info('a route was gone', { error }));
      programmed = wanted;
      await ip.batch(wanted);
    },
  });
  const request = (): void => runner.request();
  nodes.addHandlers({ add: request, update: (now, before) => void (JSON.stringify(peerOf(now)) !== JSON.stringify(peerOf(before)) && request()), delete: request });
  return {
    name: 'pod-routes',
    async start(signal) {
      nodes.start();
      await nodes.whenSynced(signal);
      runner.open();
      // Reported and tried again by the runner.
      await runner.now().catch(() => undefined);
      repair = env.clock.every(repairMs, request);
      ready = true;
    },
    async stop() {
      ready = false;
      repair?.cancel();
      nodes.stop();
      await runner.close();
    },
    ready: () => ready,
  };
}
