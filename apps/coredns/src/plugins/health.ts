import { type Setup, argumentError, duration, errorAt, listenAddress, noArguments, oneArgument, onlyOnce } from './plugin.ts';

/** `/health` on port 8080: OK while the process lives. */
export const health: Setup = (lines, { env, http }) => {
  const line = onlyOnce(lines);
  if (line.args.length > 1) throw argumentError(line);
  let lameDuckMs = 0;
  for (const property of line.block) {
    if (property.name.text !== 'lameduck') throw errorAt(property.name, `unknown property '${property.name.text}'`);
    lameDuckMs = duration(oneArgument(property));
    if (lameDuckMs < 0) throw errorAt(property.name, 'lameduck duration must not be negative');
  }
  http({ address: listenAddress(line.args[0], 8080), path: '/health', answer: () => ({ status: 200, body: 'OK' }) });
  if (lameDuckMs === 0) return {};
  return {
    // Healthy, and answering, for a while after it has left the Service: clients that have not heard keep being served.
    async stop() {
      env.log.info(`Going into lameduck mode for ${lameDuckMs / 1000}s`);
      await env.clock.sleep(lameDuckMs);
    },
  };
};

/** `/ready` on port 8181: OK when every plugin is. */
export const ready: Setup = (lines, { http, notReady }) => {
  const line = onlyOnce(lines);
  if (line.args.length > 1) throw argumentError(line);
  const answer = (): { status: number; body: string } => {
    const waiting = notReady();
    return waiting.length ? { status: 503, body: waiting.join(',') } : { status: 200, body: 'OK' };
  };
  http({ address: listenAddress(line.args[0], 8181), path: '/ready', answer });
  return {};
};

/** `/metrics` on port 9153; the server counts queries of blocks that have it. */
export const prometheus: Setup = (lines, { env, http }) => {
  const line = onlyOnce(lines);
  if (line.args.length > 1) throw argumentError(line);
  const answer = (): { status: number; body: string; type: string } => ({
    status: 200,
    body: env.metrics.expose('text', (name) => /^(coredns|process|go|nodejs)_/.test(name)),
    type: 'text/plain; version=0.0.4; charset=utf-8',
  });
  http({ address: listenAddress(line.args[0], 9153), path: '/metrics', answer });
  return {};
};

/** Directives that change nothing here: what they tune has no counterpart in this server. */
export const accepted: Setup = () => undefined;

export const debug: Setup = (lines, { env }) => {
  noArguments(onlyOnce(lines));
  env.log.setLevel?.('debug');
  return undefined;
};
