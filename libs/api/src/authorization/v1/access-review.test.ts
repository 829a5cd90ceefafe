import { describe, expect, it } from 'vitest';
import { localSubjectAccessReviewKind } from './local-subject-access-review.ts';
import { selfSubjectAccessReviewKind } from './self-subject-access-review.ts';
import { subjectAccessReviewKind } from './subject-access-review.ts';

const lines = (errors: readonly { field: string; message: string }[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`);
const resource = { verb: 'list', resource: 'pods', namespace: 'a' };

describe('access reviews', () => {
  it.each<[object, string[]]>([
    [{ user: 'x', resourceAttributes: resource }, []],
    [{ groups: ['g'], nonResourceAttributes: { path: '/x', verb: 'get' } }, []],
    [{ user: 'x' }, ['spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified']],
    [{ resourceAttributes: resource }, ['spec.user: Invalid value: "": at least one of user or group must be specified']],
    [{ user: 'x', resourceAttributes: resource, nonResourceAttributes: { path: '/' } }, ['spec.nonResourceAttributes: Invalid value: {"path":"/"}: cannot be specified in combination with resourceAttributes']],
    [{ user: 'x', resourceAttributes: { ...resource, fieldSelector: {} } }, ['spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required']],
    [{ user: 'x', resourceAttributes: { ...resource, labelSelector: { rawSelector: 'a', requirements: [{ key: 'a', operator: 'In' }] } } }, [
      'spec.resourceAttributes.labelSelector.rawSelector: Invalid value: "a": may not specified at the same time as requirements',
      "spec.resourceAttributes.labelSelector.requirements[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    ]],
  ])('%j', (spec, problems) => expect(lines(subjectAccessReviewKind.validate({ metadata: {}, spec } as never))).toEqual(problems));

  it('have no name, and the local one only its namespace', () => {
    expect(lines(selfSubjectAccessReviewKind.validate({ metadata: { name: 'x' }, spec: { resourceAttributes: resource } }))).toEqual(['metadata: Invalid value: {"name":"x"}: must be empty']);
    const local = (namespace: string) => lines(localSubjectAccessReviewKind.validate({ metadata: { namespace: 'a' }, spec: { user: 'x', resourceAttributes: { ...resource, namespace } } }));
    expect(local('a')).toEqual([]);
    expect(local('b')).toEqual(['spec.resourceAttributes.namespace: Invalid value: "b": must match metadata.namespace']);
  });
});
