import type { PluginFactory } from '../pipeline/index.ts';
import { backends } from './backend.ts';
import { podLog } from './pod-log.ts';
import { podStreams } from './pod-streams.ts';
import { proxies } from './proxy.ts';

/** Subresources that are answered by kubelets, pods and services: exec, attach, port-forward, logs, proxies. */
export const streamingPlugin: PluginFactory = (context) => {
  const to = backends(context);
  return { connect: [...podStreams({ backends: to, authorize: context.authorize }), podLog(to), ...proxies({ backends: to, read: context.read, random: context.env.random })] };
};
