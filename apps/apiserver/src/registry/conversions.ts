import { type KindDescriptor, schemaOf } from '@orrery/api';
import { type KubeObject, type VersionView, cloneJson } from '@orrery/apimachinery';

interface Wanted {
  readonly key: string;
  readonly object: unknown;
  readonly from: KindDescriptor;
  readonly to: KindDescriptor;
}

/** Says which object must be converted before the work can be done. */
class Unconverted extends Error {
  readonly wanted: Wanted;

  constructor(wanted: Wanted) {
    super('an object has not been converted yet');
    this.wanted = wanted;
  }
}

/** Far more than any object has managers of different versions. */
const maxConversions = 200;

async function convert({ object, from, to }: Wanted): Promise<unknown> {
  const copy = cloneJson(object) as KubeObject;
  const stored: unknown = from.storedAs?.conversion ? await from.storedAs.conversion.toStorage(copy) : (from.storedAs?.toStorage(copy) ?? copy);
  if (!to.storedAs) return stored;
  const { conversion } = to.storedAs;
  return conversion ? (await conversion.fromStorage([stored]))[0] : to.storedAs.fromStorage(stored);
}

/**
 * Objects of one request as a webhook converts them. Who owns which field is reckoned without waiting, so what it finds missing is
 * fetched and the reckoning begins anew: it has no effects.
 */
export class Conversions {
  private readonly known = new Map<string, unknown>();

  view(kind: KindDescriptor, other: KindDescriptor): VersionView {
    return {
      schema: other.schema ?? schemaOf(other.definition),
      to: (object) => this.converted(object, { from: kind, to: other }),
      from: (object) => this.converted(object, { from: other, to: kind }),
    };
  }

  /** Runs `act` until it has everything it needs. Rejects with what it throws, or with a webhook's failure. */
  async complete<T>(act: () => T): Promise<T> {
    for (let count = 0; ; count++) {
      try {
        return act();
      } catch (error) {
        if (!(error instanceof Unconverted) || count >= maxConversions) throw error;
        this.known.set(error.wanted.key, await convert(error.wanted));
      }
    }
  }

  private converted(object: unknown, between: { readonly from: KindDescriptor; readonly to: KindDescriptor }): unknown {
    const key = `${between.from.version} ${between.to.version} ${JSON.stringify(object)}`;
    if (!this.known.has(key)) throw new Unconverted({ key, object, ...between });
    return this.known.get(key);
  }
}

/** Of a kind that a webhook converts; undefined for all others. */
export function conversionsOf(kind: KindDescriptor): Conversions | undefined {
  return kind.storedAs?.conversion ? new Conversions() : undefined;
}
