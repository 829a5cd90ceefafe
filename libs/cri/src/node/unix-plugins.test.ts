import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RegistrationDefinition } from '@orrery/proto/registration';
import { createClient, service } from '@orrery/rpc';
import { expect, test } from 'vitest';
import { unixPlugins } from './unix-plugins.ts';

test('plug-ins are found by their sockets below the root of a node, and answer there', async () => {
  const root = mkdtempSync(join(tmpdir(), 'orrery-plugins-'));
  const host = unixPlugins(root);
  try {
    expect(await host.sockets('/var/registry')).toEqual([]);
    const registration = service(RegistrationDefinition, { getInfo: async () => ({ type: 'CSIPlugin', name: 'x' }), notifyRegistrationStatus: async () => ({}) });
    const server = await host.serve('/var/registry/deep/x.sock', [registration]);
    writeFileSync(join(root, 'var/registry/file'), '');
    mkdirSync(join(root, 'var/registry/empty'));
    expect(await host.sockets('/var/registry')).toEqual(['/var/registry/deep/x.sock']);
    const channel = host.connect('/var/registry/deep/x.sock');
    expect(await createClient(RegistrationDefinition, channel).getInfo({})).toMatchObject({ name: 'x' });
    await channel.close();
    await server.stop();
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
