import { servePortForward } from '@orrery/http';
import type { Clock } from '@orrery/runtime';
import type { NodeRuntime } from '../cri/node-runtime.ts';
import type { StreamingUrls } from '../cri/runtime-service.ts';
import { attachHandler, execHandler } from './remote-command.ts';
import type { StreamingServer } from './streaming-server.ts';

/** Makes the URLs that CRI's streaming calls answer with. */
export function streamingUrls(options: { server: StreamingServer; node: NodeRuntime; clock: Clock }): StreamingUrls {
  const { server, node, clock } = options;
  return {
    exec: ({ containerId, argv, ...streams }) => server.issue('exec', execHandler(node.container(containerId), { argv, streams, clock })),
    attach: ({ containerId, ...streams }) => server.issue('attach', attachHandler(node.container(containerId), { streams, clock })),
    portForward: ({ sandboxId, ports }) => {
      const sandbox = node.sandbox(sandboxId);
      return server.issue('portforward', (request, stream) => servePortForward(request, { stream, clock, ports, dial: (port) => sandbox.stack.dial({ ip: '127.0.0.1', port }) }));
    },
  };
}
