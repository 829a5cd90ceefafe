import { LinkDefinition } from '@orrery/proto/vnet';
import { type CallContext, RpcError, type ServedService, service } from '@orrery/rpc';
import { expect, it } from 'vitest';
import { membersOnly } from './members-only.ts';

const link: ServedService = service(LinkDefinition, { send: () => Promise.resolve({}) });

function send(organizations: readonly string[] | undefined): unknown {
  const peer = { address: 'x', commonName: 'jane', ...(organizations ? { organizations } : {}) };
  const context: CallContext = { signal: new AbortController().signal, metadata: {}, peer };
  return membersOnly(link).handlers['send']?.({} as never, context);
}

it.each([['orrery:components'], ['orrery:switches'], ['system:nodes']])('serves %s', async (group) => {
  await expect(send(['others', group])).resolves.toEqual({});
});

it.each([[undefined], [[]], [['system:masters']]])('refuses users of the cluster (%s)', (groups) => {
  expect(() => send(groups)).toThrow(RpcError);
});

it('leaves out what is not served', () => {
  expect(membersOnly(link).handlers['connect']).toBeUndefined();
});
