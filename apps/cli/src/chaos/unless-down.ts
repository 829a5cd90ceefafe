import { type Channel, Code, RpcError } from '@orrery/rpc';

/** A channel that answers nothing while its other end is down. */
export function unlessDown(channel: Channel, isDown: () => boolean): Channel {
  return {
    call: (definition, method, input, options) => {
      if (!isDown()) return channel.call(definition, method, input, options);
      const error = new RpcError(Code.UNAVAILABLE, 'the cloud does not answer');
      if (!method.responseStream) return Promise.reject(error);
      return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
    },
    close: () => channel.close(),
  };
}
