import { type AddressInfo, createServer } from 'node:net';
import { silentLogger } from '@orrery/runtime';
import { NetError, type NetStack } from '@orrery/vnet';
import { expect, it, onTestFinished, vi } from 'vitest';
import { exposeNodePorts, exposedAt } from './node-ports.ts';
import { dialHost } from './vnet-bridge.ts';

const four = { port: 30080, protocol: 'TCP', family: 4 } as const;
const six = { ...four, family: 6 } as const;
const loopbacks = ['127.0.0.1', '::1'];

it.each([
  { of: 'IPv4', ports: [four], hosts: loopbacks, at: ['127.0.0.1 over 4'] },
  { of: 'IPv6', ports: [six], hosts: loopbacks, at: ['127.0.0.1 over 6', '::1 over 6'] },
  { of: 'both families', ports: [four, six], hosts: loopbacks, at: ['127.0.0.1 over 4', '::1 over 6'] },
  { of: 'both families, IPv6 first', ports: [six, four], hosts: loopbacks, at: ['127.0.0.1 over 4', '::1 over 6'] },
  { of: 'both families, on a machine without ::1', ports: [four, six], hosts: ['127.0.0.1'], at: ['127.0.0.1 over 4'] },
  { of: 'IPv6, on a machine without ::1', ports: [six], hosts: ['127.0.0.1'], at: ['127.0.0.1 over 6'] },
  { of: 'IPv4, where only ::1 is asked for', ports: [four], hosts: ['::1'], at: ['::1 over 4'] },
  { of: 'IPv4 (TCP) beside one of IPv6 (UDP)', ports: [four, { ...six, protocol: 'UDP' } as const], hosts: loopbacks, at: ['127.0.0.1 over 4', '127.0.0.1 over 6', '::1 over 6'] },
])('the port of a service of $of', ({ ports, hosts, at }) => {
  expect(exposedAt(hosts, ports).map(({ host, family }) => `${host} over ${family}`)).toEqual(at);
});

it('says once that a port is taken, and has it when it is free', async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as AddressInfo;
  const warn = vi.fn();
  const dialled = vi.fn();
  const dial: NetStack['dial'] = (to) => {
    dialled(to);
    return Promise.reject(new NetError('ECONNREFUSED', 'nobody there'));
  };
  const ports = exposeNodePorts({ net: { ips: ['10.240.0.2', 'fd00:10:240::2'], dial } as unknown as NetStack, hosts: ['127.0.0.1'], log: { ...silentLogger, warn } });
  onTestFinished(() => ports.close());
  ports.set([{ ...six, port }]);
  ports.set([{ ...six, port }]);
  await vi.waitFor(() => expect(warn).toHaveBeenCalledTimes(1));
  await new Promise((resolve) => holder.close(resolve));
  await vi.waitFor(async () => {
    ports.set([{ ...six, port }]);
    await expect(dialHost({ host: '127.0.0.1', port }).then((conn) => conn.read())).rejects.toThrow(/ECONNRESET/);
  });
  expect(dialled).toHaveBeenCalledWith({ ip: 'fd00:10:240::2', port });
  expect(warn).toHaveBeenCalledTimes(1);
});
