import type { DeviceClass } from '@orrery/api/types';
import type { Informer } from '@orrery/client';

/** Names a class without one of its own, as every class may be asked for. */
const implicitPrefix = 'deviceclass.resource.kubernetes.io/';

/** Extended resources that classes of devices stand behind: where a node does not have one itself, a claim of devices is made for it. */
export interface ExtendedResources {
  /** Changes with every class; 0 while there are none. */
  readonly version: number;
  /** The class of devices behind a resource. */
  classOf(resource: string): string | undefined;
}

/** Of several classes for one resource the youngest counts, of those the first by name. */
function isBefore(one: DeviceClass, other: DeviceClass): boolean {
  const [a, b] = [one.metadata?.creationTimestamp ?? '', other.metadata?.creationTimestamp ?? ''];
  return a === b ? (one.metadata?.name ?? '') < (other.metadata?.name ?? '') : a > b;
}

/** Known once somebody follows the classes; until then no resource has one. */
export class FollowedResources implements ExtendedResources {
  version = 0;
  private classes: Informer<DeviceClass> | undefined;
  private byName: Map<string, DeviceClass> | undefined;

  follow(classes: Informer<DeviceClass>): void {
    this.classes = classes;
    const changed = (): void => {
      this.byName = undefined;
      this.version += 1;
    };
    classes.addHandlers({ add: changed, update: changed, delete: changed });
  }

  classOf(resource: string): string | undefined {
    if (this.version === 0 || !this.classes) return undefined;
    if (resource.startsWith(implicitPrefix)) {
      const name = resource.slice(implicitPrefix.length);
      return this.classes.has(name) ? name : undefined;
    }
    return (this.byName ??= this.read(this.classes)).get(resource)?.metadata?.name;
  }

  private read(classes: Informer<DeviceClass>): Map<string, DeviceClass> {
    const found = new Map<string, DeviceClass>();
    for (const one of classes.list()) {
      const name = one.spec?.extendedResourceName;
      const other = name ? found.get(name) : undefined;
      if (name && (!other || isBefore(one, other))) found.set(name, one);
    }
    return found;
  }
}
