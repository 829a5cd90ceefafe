import { describe, expect, it } from 'vitest';
import { loadEncryptionConfig } from './config.ts';

const load = (rest: string, reload = false) => loadEncryptionConfig(`apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n${rest}`, { from: '/e.yaml', reload });
const one = (resources: string, provider: string): string => `resources:\n- resources: [${resources}]\n  providers: [${provider}]\n`;
const key = Buffer.alloc(32, 1).toString('base64');
const kms = (more: string): string => one('secrets', `{kms: {apiVersion: v2, name: a, endpoint: "unix:///x"${more}}}`);

describe('loadEncryptionConfig', () => {
  it('takes every provider and wildcards', () => {
    const providers = `{aesgcm: {keys: [{name: a, secret: ${key}}]}}, {aescbc: {keys: [{name: a, secret: ${key}}]}}, {secretbox: {keys: [{name: a, secret: ${key}}]}}, {kms: {apiVersion: v2, name: a, endpoint: "unix:///x"}}, {identity: {}}`;
    expect(load(one('secrets, configmaps', providers) + one('"*.apps"', '{identity: {}}').replace('resources:\n', '') + one('"*.*"', '{identity: {}}').replace('resources:\n', '')).resources).toHaveLength(3);
  });

  it.each([
    ['resources: []', 'resources: Required value: at least one resources is required'],
    [one('', '{identity: {}}'), 'resources[0].resources: Required value: at least one resources[0].resources is required'],
    [one('secrets', ''), 'resources[0].providers: Required value: at least one resources[0].providers is required'],
    [one('secrets, secrets', '{identity: {}}'), 'the same resource cannot be specified multiple times'],
    [one('secrets, "*."', '{identity: {}}'), "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked"],
    [one('"*.*", pods', '{identity: {}}'), 'using overlapping resources'],
    [one('Secrets', '{identity: {}}'), 'resources[0].resources[0]: Invalid value: "Secrets": resource name should not contain capital letters'],
    [one('"*"', '{identity: {}}'), "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"],
    [one('serviceipallocations', '{identity: {}}'), 'resources which do not have REST API/s cannot be encrypted'],
    [one('events.events.k8s.io', '{identity: {}}'), "Use 'events' instead in the config file"],
    [one('"*.extensions"', '{identity: {}}'), "'extensions' group has been removed and cannot be used for encryption"],
    [one('"secrets.*"', '{identity: {}}'), 'encrypting the same resource across groups is not supported'],
    [one('secrets', '{}'), 'resources[0].providers[0]: Invalid value: "{}": provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity'],
    [one('secrets', '{identity: {}, aesgcm: {}}'), 'more than one provider specified in a single element, should split into different list elements'],
    [one('secrets', '{aesgcm: {keys: []}}'), 'resources[0].providers[0].aesgcm.keys: Required value: at least one keys is required'],
    [one('secrets', `{aesgcm: {keys: [{secret: ${key}}]}}`), 'resources[0].providers[0].aesgcm.keys[0].name: Required value: name is a mandatory field for a key'],
    [one('secrets', '{aescbc: {keys: [{name: a}]}}'), 'resources[0].providers[0].aescbc.keys[0].secret: Required value: secret is a mandatory field for a key'],
    [one('secrets', '{aescbc: {keys: [{name: a, secret: "no base64"}]}}'), 'aescbc.keys[0].secret: Invalid value: "REDACTED": secrets must be base64 encoded'],
    [one('secrets', '{aescbc: {keys: [{name: a, secret: c2hvcnQ=}]}}'), 'aescbc.keys[0].secret: Invalid value: "REDACTED": secret is not of the expected length, got 5, expected one of [16 24 32]'],
    [one('secrets', `{secretbox: {keys: [{name: a, secret: ${Buffer.alloc(16).toString('base64')}}]}}`), 'got 16, expected one of [32]'],
    [one('secrets', '{kms: {apiVersion: v2, endpoint: "unix:///x"}}'), 'kms.name: Required value: name is a mandatory field for a provider'],
    [one('secrets', '{kms: {apiVersion: v2, name: "a:b", endpoint: "unix:///x"}}'), "invalid KMS provider name a:b, must not contain ':'"],
    [one('secrets', '{kms: {apiVersion: v2, name: a}}'), 'kms.endpoint: Invalid value: "": endpoint is a mandatory field for a kms'],
    [one('secrets', '{kms: {apiVersion: v2, name: a, endpoint: "tcp://x"}}'), 'unsupported scheme "tcp" for KMS provider, only unix is supported'],
    [one('secrets', '{kms: {apiVersion: v3, name: a, endpoint: "unix:///x"}}'), 'unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported'],
    [kms(', timeout: 0s'), 'kms.timeout: Invalid value: "0s": timeout should be a positive value'],
    [kms(', cachesize: 5'), 'kms.cachesize: Invalid value: 5: cachesize is not supported in v2'],
    [kms('') + kms('').replace('resources:\n', '').replace('secrets', 'pods'), 'duplicate KMS provider name a, names must be unique'],
    [one('"*.apps"', '{identity: {}}') + one('deployments.apps', '{identity: {}}').replace('resources:\n', ''), 'resource "deployments.apps" is masked by earlier rule "*.apps"'],
    ['resources: 7', 'resources, their resources and providers must be lists'],
  ])('refuses %s', (text, message) => expect(() => load(text)).toThrow(message));

  it('refuses other files without showing what is in them', () => {
    const at = { from: '/e.yaml', reload: false };
    expect(() => loadEncryptionConfig('', at)).toThrow('encryption provider configuration file "/e.yaml" is empty');
    expect(() => loadEncryptionConfig('kind: Pod', at)).toThrow('no kind "Pod" is registered for version ""');
    expect(() => loadEncryptionConfig('secret: [hunter2', at)).toThrow(/^(?!.*hunter2).*it is no YAML$/);
  });
});
