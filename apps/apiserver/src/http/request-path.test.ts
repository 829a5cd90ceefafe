import { expect, it } from 'vitest';
import { parseRequest } from './request-path.ts';

it.each([
  ['GET', '/api/v1/pods', 'list', '/v1 pods', '', ''],
  ['GET', '/api/v1/pods?watch=true', 'watch', '/v1 pods', '', ''],
  ['GET', '/api/v1/pods?watch=0', 'list', '/v1 pods', '', ''],
  ['GET', '/api/v1/pods?watch=False', 'list', '/v1 pods', '', ''],
  ['GET', '/api/v1/pods?watch', 'watch', '/v1 pods', '', ''],
  ['GET', '/api/v1/watch/pods', 'watch', '/v1 pods', '', ''],
  ['GET', '/api/v1/namespaces/a/pods/b?watch=true', 'get', '/v1 pods', 'a', 'b'],
  ['GET', '/api/v1/watch/namespaces/a/pods/b', 'watch', '/v1 pods', 'a', 'b'],
  ['GET', '/api/v1/namespaces/a/pods?fieldSelector=metadata.name=x', 'list', '/v1 pods', 'a', 'x'],
  ['GET', '/api/v1/namespaces/a/pods?fieldSelector=spec.nodeName%3Dn%2Cmetadata.name%3D%3Dx', 'list', '/v1 pods', 'a', 'x'],
  ['GET', '/api/v1/namespaces/a/pods?fieldSelector=metadata.name!=x', 'list', '/v1 pods', 'a', ''],
  ['GET', '/api/v1/namespaces/a/pods?fieldSelector=metadata.name%3Da%252Fb', 'list', '/v1 pods', 'a', ''],
  ['GET', '/api/v1/namespaces/a/pods?fieldSelector=metadata.name%3Da%5Cx', 'list', '/v1 pods', 'a', ''],
  ['DELETE', '/api/v1/namespaces/a/pods?fieldSelector=metadata.name=x', 'deletecollection', '/v1 pods', 'a', ''],
  ['POST', '/apis/apps/v1/namespaces/a/deployments', 'create', 'apps/v1 deployments', 'a', ''],
  ['DELETE', '/apis/apps/v1/namespaces/a/deployments', 'deletecollection', 'apps/v1 deployments', 'a', ''],
  ['PUT', '/api/v1/namespaces/a/finalize', 'update', '/v1 namespaces/finalize', 'a', 'a'],
  ['PATCH', '/api/v1/namespaces/a', 'patch', '/v1 namespaces', 'a', 'a'],
  ['POST', '/api/v1/namespaces/a/pods/b/eviction', 'create', '/v1 pods/eviction', 'a', 'b'],
  ['GET', '/api/v1/namespaces/a/services/https:b:1/proxy/x/y', 'get', '/v1 services/proxy', 'a', 'https:b:1'],
] as const)('%s %s', (method, url, verb, resource, namespace, name) => {
  const { info } = parseRequest(method, url);
  const shown = `${info.group}/${info.version} ${info.resource}${info.subresource ? `/${info.subresource}` : ''}`;
  expect([info.isResource, info.verb, shown, info.namespace, info.name]).toEqual([true, verb, resource, namespace, name]);
});

it.each(['/healthz', '/api', '/api/v1', '/apis/apps/v1', '/openapi/v2', '/'])('%s is no resource', (path) => {
  expect(parseRequest('GET', path).info).toMatchObject({ isResource: false, verb: 'get', path });
});
