import { PersistentVolumeClaims, PersistentVolumes } from '@orrery/api';
import type { PersistentVolumeClaim } from '@orrery/api/types';
import { compareQuantity, parseQuantity, quantityOf } from '@orrery/apimachinery';
import type { ControllerContext } from '@orrery/controller';
import type { VolumeContentSource } from '@orrery/proto/csi';
import { driverName } from '../names.ts';
import { snapshotGroup, VolumeSnapshotContents, VolumeSnapshots } from '../snapshots/kinds.ts';
import { Refusal } from './provisioning.ts';

type Context = Pick<ControllerContext<undefined>, 'store'>;

const requestOf = (claim: PersistentVolumeClaim) => parseQuantity(claim.spec?.resources?.requests?.['storage'] ?? '0');

function fromSnapshot(claim: PersistentVolumeClaim, name: string, { store }: Context): VolumeContentSource {
  const failed = (problem: string): Error => new Error(`error getting handle for DataSource Type VolumeSnapshot by Name ${name}: ${problem}`);
  const snapshot = store(VolumeSnapshots).get(`${claim.metadata?.namespace ?? ''}/${name}`);
  if (!snapshot) throw failed(`error getting snapshot ${name} from api server: volumesnapshots.${snapshotGroup} "${name}" not found`);
  if (snapshot.metadata?.deletionTimestamp) throw failed(`snapshot ${name} is currently being deleted`);
  const contentName = snapshot.status?.boundVolumeSnapshotContentName;
  const content = contentName ? store(VolumeSnapshotContents).get(contentName) : undefined;
  if (!content) throw failed(`snapshot ${name} not bound`);
  const { spec, status } = content;
  if (spec.volumeSnapshotRef.uid !== snapshot.metadata?.uid) throw failed(`snapshotContent ${contentName} is bound to another snapshot`);
  if (spec.driver !== driverName) throw new Refusal(`error getting handle for DataSource Type VolumeSnapshot by Name ${name}: snapshot ${name} is of driver ${spec.driver}, the class of ${driverName}`);
  if (!snapshot.status?.readyToUse || !status?.snapshotHandle) throw failed(`snapshot ${name} is not Ready`);
  if (status.restoreSize !== undefined && compareQuantity(requestOf(claim), quantityOf(status.restoreSize)) < 0) throw new Refusal(`requested volume size ${claim.spec?.resources?.requests?.['storage'] ?? '0'} is less than the size ${status.restoreSize} for the source snapshot ${name}`);
  return { type: { $case: 'snapshot', value: { snapshotId: status.snapshotHandle } } };
}

function fromClaim(claim: PersistentVolumeClaim, name: string, { store }: Context): VolumeContentSource {
  const failed = (problem: string): Error => new Error(`error getting handle for DataSource Type PersistentVolumeClaim by Name ${name}: ${problem}`);
  const source = store(PersistentVolumeClaims).get(`${claim.metadata?.namespace ?? ''}/${name}`);
  if (!source) throw failed(`error getting PVC ${name} (namespace "${claim.metadata?.namespace ?? ''}") from api server: persistentvolumeclaims "${name}" not found`);
  if (source.metadata?.deletionTimestamp) throw failed(`the PVC DataSource ${name} is currently being deleted`);
  if (source.status?.phase !== 'Bound') throw failed(`the PVC DataSource ${name} isn't bound`);
  const volume = store(PersistentVolumes).get(source.spec?.volumeName ?? '');
  if (volume?.spec?.csi?.driver !== driverName) throw new Refusal(`error getting handle for DataSource Type PersistentVolumeClaim by Name ${name}: the source PVC and destination PVCs must be from the same CSI driver`);
  if (compareQuantity(requestOf(claim), parseQuantity(volume.spec.capacity?.['storage'] ?? '0')) < 0) throw new Refusal(`error, new PVC request must be greater than or equal in size to the specified PVC data source, requested ${claim.spec?.resources?.requests?.['storage'] ?? '0'} but source is ${volume.spec.capacity?.['storage'] ?? '0'}`);
  return { type: { $case: 'volume', value: { volumeId: volume.spec.csi.volumeHandle } } };
}

/** What a claim's volume begins as; undefined: empty. Throws Error for what is not there yet, Refusal for what will not do. */
export function contentSource(claim: PersistentVolumeClaim, context: Context): VolumeContentSource | undefined {
  const source = claim.spec?.dataSourceRef ?? claim.spec?.dataSource;
  if (!source) return undefined;
  const { apiGroup = '', kind, name } = source;
  const { namespace } = source as { namespace?: string };
  if (namespace && namespace !== claim.metadata?.namespace) throw new Refusal('dataSourceRef namespaces in other namespaces are not supported');
  if (kind === 'VolumeSnapshot' && apiGroup === snapshotGroup) return fromSnapshot(claim, name, context);
  if (kind === 'PersistentVolumeClaim' && apiGroup === '') return fromClaim(claim, name, context);
  throw new Refusal(`the PVC source ${kind} of API group "${apiGroup}" is for a volume populator`);
}
