import type { CustomResourceDefinition } from '@orrery/api/types';
import { snapshotGroup } from './kinds.ts';

type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: 'string' };
const flag: Schema = { type: 'boolean' };
const whole: Schema = { type: 'integer', format: 'int64' };
const time: Schema = { type: 'string', format: 'date-time' };
const object = (properties: Readonly<Record<string, Schema>>, more: Schema = {}): Schema => ({ type: 'object', properties, ...more });
const rule = (expression: string, message: string): Schema => ({ rule: expression, message });
const failure = object({ message: text, time });
const policy: Schema = { type: 'string', enum: ['Delete', 'Retain'] };
const head = { apiVersion: text, kind: text, metadata: { type: 'object' } };

/** Exactly one of two fields, and none of them ever changed. */
function oneOf(a: string, b: string, named: string): Schema {
  return object(
    { [a]: { ...text, 'x-kubernetes-validations': [rule('self == oldSelf', `${a} is immutable`)] }, [b]: { ...text, 'x-kubernetes-validations': [rule('self == oldSelf', `${b} is immutable`)] } },
    {
      oneOf: [{ required: [a] }, { required: [b] }],
      'x-kubernetes-validations': [rule(`!has(oldSelf.${a}) || has(self.${a})`, `${a} is required once set`), rule(`!has(oldSelf.${b}) || has(self.${b})`, `${b} is required once set`)],
      description: `What the ${named} is made from: one of these.`,
    },
  );
}

const snapshotSchema = object(
  {
    ...head,
    spec: object({ source: oneOf('persistentVolumeClaimName', 'volumeSnapshotContentName', 'snapshot'), volumeSnapshotClassName: { ...text, 'x-kubernetes-validations': [rule('size(self) > 0', 'volumeSnapshotClassName must not be the empty string when set')] } }, { required: ['source'] }),
    status: object({
      boundVolumeSnapshotContentName: text,
      creationTime: time,
      readyToUse: flag,
      restoreSize: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }], pattern: '^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$' },
      error: failure,
      volumeGroupSnapshotName: text,
    }),
  },
  { required: ['spec'] },
);

const contentSchema = object(
  {
    ...head,
    spec: object(
      {
        deletionPolicy: policy,
        driver: text,
        source: oneOf('volumeHandle', 'snapshotHandle', 'content'),
        sourceVolumeMode: { ...text, 'x-kubernetes-validations': [rule('self == oldSelf', 'sourceVolumeMode is immutable')] },
        volumeSnapshotClassName: text,
        volumeSnapshotRef: object(
          { apiVersion: text, fieldPath: text, kind: text, name: text, namespace: text, resourceVersion: text, uid: text },
          { 'x-kubernetes-map-type': 'atomic', 'x-kubernetes-validations': [rule('has(self.name) && has(self.__namespace__)', 'both spec.volumeSnapshotRef.name and spec.volumeSnapshotRef.namespace must be set')] },
        ),
      },
      { required: ['deletionPolicy', 'driver', 'source', 'volumeSnapshotRef'] },
    ),
    status: object({ creationTime: whole, readyToUse: flag, restoreSize: { ...whole, minimum: 0 }, snapshotHandle: text, error: failure, volumeGroupSnapshotHandle: text }),
  },
  { required: ['spec'] },
);

const classSchema = object({ ...head, deletionPolicy: policy, driver: text, parameters: { type: 'object', additionalProperties: text } }, { required: ['deletionPolicy', 'driver'] });

interface Row {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  readonly schema: Schema;
  /** Name, type and path. */
  readonly columns: readonly (readonly [string, string, string])[];
}

const rows: readonly Row[] = [
  {
    kind: 'VolumeSnapshot', plural: 'volumesnapshots', shortNames: ['vs'], namespaced: true, schema: snapshotSchema,
    columns: [
      ['ReadyToUse', 'boolean', '.status.readyToUse'], ['SourcePVC', 'string', '.spec.source.persistentVolumeClaimName'], ['SourceSnapshotContent', 'string', '.spec.source.volumeSnapshotContentName'], ['RestoreSize', 'string', '.status.restoreSize'],
      ['SnapshotClass', 'string', '.spec.volumeSnapshotClassName'], ['SnapshotContent', 'string', '.status.boundVolumeSnapshotContentName'], ['CreationTime', 'date', '.status.creationTime'], ['Age', 'date', '.metadata.creationTimestamp'],
    ],
  },
  {
    kind: 'VolumeSnapshotContent', plural: 'volumesnapshotcontents', shortNames: ['vsc', 'vscs'], namespaced: false, schema: contentSchema,
    columns: [
      ['ReadyToUse', 'boolean', '.status.readyToUse'], ['RestoreSize', 'integer', '.status.restoreSize'], ['DeletionPolicy', 'string', '.spec.deletionPolicy'], ['Driver', 'string', '.spec.driver'], ['VolumeSnapshotClass', 'string', '.spec.volumeSnapshotClassName'],
      ['VolumeSnapshot', 'string', '.spec.volumeSnapshotRef.name'], ['VolumeSnapshotNamespace', 'string', '.spec.volumeSnapshotRef.namespace'], ['Age', 'date', '.metadata.creationTimestamp'],
    ],
  },
  {
    kind: 'VolumeSnapshotClass', plural: 'volumesnapshotclasses', shortNames: ['vsclass', 'vsclasses'], namespaced: false, schema: classSchema,
    columns: [['Driver', 'string', '.driver'], ['DeletionPolicy', 'string', '.deletionPolicy'], ['Age', 'date', '.metadata.creationTimestamp']],
  },
];

function definitionOf({ kind, plural, shortNames, namespaced, schema, columns }: Row): CustomResourceDefinition {
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${snapshotGroup}`, annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-csi/external-snapshotter/pull/814' } },
    spec: {
      group: snapshotGroup,
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), shortNames },
      scope: namespaced ? 'Namespaced' : 'Cluster',
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: schema },
          ...(kind === 'VolumeSnapshotClass' ? {} : { subresources: { status: {} } }),
          additionalPrinterColumns: columns.map(([name, type, jsonPath]) => ({ name, type, jsonPath })),
        },
      ],
    },
  };
  return definition as unknown as CustomResourceDefinition;
}

/** The kinds of `snapshot.storage.k8s.io/v1`, as the external snapshotter has them. */
export const snapshotDefinitions: readonly CustomResourceDefinition[] = rows.map(definitionOf);
