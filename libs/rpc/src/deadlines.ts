import type { Channel, MethodDefinition } from './service.ts';

/**
 * A channel whose calls end in time even where the caller names none: `timeoutMs` milliseconds for calls of one request and one answer, which then
 * fail with DEADLINE_EXCEEDED. What the caller names counts; streams live as long as they are read. `timeoutMs` may choose by method; undefined is for ever.
 * A server that hangs, but whose machine still answers pings, is noticed by nothing else.
 */
export function withDeadlines(channel: Channel, timeoutMs: number | ((method: MethodDefinition) => number | undefined)): Channel {
  const limitOf = typeof timeoutMs === 'number' ? (): number => timeoutMs : timeoutMs;
  const { connected } = channel;
  return {
    call(definition, method, input, options) {
      if (options.timeoutMs !== undefined || method.requestStream || method.responseStream) return channel.call(definition, method, input, options);
      const limit = limitOf(method);
      return channel.call(definition, method, input, limit === undefined ? options : { ...options, timeoutMs: limit });
    },
    close: () => channel.close(),
    ...(connected ? { connected: (within: number) => connected.call(channel, within) } : {}),
  };
}
