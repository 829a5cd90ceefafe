import { expect, it } from 'vitest';
import { addExtraConfig, extraArguments, extraSettings } from './extra-config.ts';

it('takes flags of components, repeated ones too, and gives them back', () => {
  const texts = ['apiserver.audit-log-path=/tmp/a=b.log', 'apiserver.enable-admission-plugins=AlwaysPullImages', 'apiserver.enable-admission-plugins=EventRateLimit', 'apiserver.anonymous-auth=false', 'store.snapshot-count=7'];
  const extra = texts.reduce((before, text) => addExtraConfig(text, before), {});
  expect(extraSettings('apiserver', extra)).toMatchObject({ auditLogPath: '/tmp/a=b.log', enableAdmissionPlugins: ['AlwaysPullImages', 'EventRateLimit'], anonymousAuth: false });
  expect(extraSettings('store', extra)).toEqual({ snapshotCount: 7 });
  expect(extraSettings('scheduler', extra)).toEqual({});
  expect(extraArguments(extra)).toEqual(texts.flatMap((text) => ['--extra-config', text]));
});

it.each([
  ['nonsense', 'is not COMPONENT.FLAG=VALUE'],
  ['coredns.port=1', 'coredns takes no extra configuration; known: apiserver, controller-manager, ingress, kubelet, metrics-server, scheduler, store.'],
  ['apiserver.no-such=1', 'unknown flag --no-such'],
])('refuses %s', (text, why) => {
  expect(() => addExtraConfig(text, {})).toThrow(why);
});
