import type { Shell } from '@orrery/linux';
import { resolveConfig } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { kubeProxySchema } from '../config.ts';
import { loadConfiguration } from '../configuration/load.ts';
import { mergeConfiguration } from '../configuration/settings.ts';
import { applyConntrackSettings, conntrackMax, conntrackSettings } from './conntrack-settings.ts';

const head = { apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration' };
const settingsOf = (conntrack: object, flags: Parameters<typeof resolveConfig<typeof kubeProxySchema>>[1] = [{}]) => conntrackSettings(mergeConfiguration(resolveConfig(kubeProxySchema, flags), loadConfiguration(JSON.stringify({ ...head, conntrack }))));

it('takes what the file says, and flags over it', () => {
  expect(settingsOf({})).toEqual({ maxPerCore: 0, min: 0, values: {} });
  const all = { maxPerCore: 32768, min: 131072, tcpEstablishedTimeout: '24h0m0s', tcpCloseWaitTimeout: '1h0m0s', tcpBeLiberal: true, udpTimeout: '30s', udpStreamTimeout: '0s' };
  const values = { nf_conntrack_tcp_timeout_established: '86400', nf_conntrack_tcp_timeout_close_wait: '3600', nf_conntrack_udp_timeout: '30', nf_conntrack_tcp_be_liberal: '1' };
  expect(settingsOf(all)).toEqual({ maxPerCore: 32768, min: 131072, values });
  expect(settingsOf(all, [{ conntrackMaxPerCore: 1000, conntrackUdpTimeout: '10s' }])).toEqual({ maxPerCore: 1000, min: 131072, values: { ...values, nf_conntrack_udp_timeout: '10' } });
});

it.each([[0, 5, 4, 0], [10, 5, 4, 40], [10, 100, 4, 100]])('%i a core, at least %i, with %i cores: %i', (maxPerCore, min, cores, max) => expect(conntrackMax({ maxPerCore, min }, cores)).toBe(max));

it('sets each by itself, and says which the machine refuses', async () => {
  const set: [string, string][] = [];
  const refused: unknown[] = [];
  const sysctl = {
    set(values: Readonly<Record<string, string>>): Promise<void> {
      if ('net/netfilter/nf_conntrack_max' in values) return Promise.reject(new Error('Permission denied'));
      set.push(...Object.entries(values));
      return Promise.resolve();
    },
  };
  const shell: Shell = { run: () => Promise.resolve('4\n') };
  await applyConntrackSettings(settingsOf({ maxPerCore: 100, udpTimeout: '5s', tcpBeLiberal: true }), { shell, sysctl, log: { warn: (_message, fields) => void refused.push(fields?.['setting'], fields?.['value']) } });
  expect(set).toEqual([['net/netfilter/nf_conntrack_udp_timeout', '5'], ['net/netfilter/nf_conntrack_tcp_be_liberal', '1']]);
  expect(refused).toEqual(['nf_conntrack_max', '400']);
});
