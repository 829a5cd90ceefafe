import type { AdmissionAttributes, AdmissionPlugin, Reinvocation } from './admission.ts';

/** Most plug-ins answer at once: only the others are waited for. */
async function admitAll(plugins: readonly AdmissionPlugin[], attributes: AdmissionAttributes): Promise<void> {
  for (const plugin of plugins) {
    const pending = plugin.admit?.(attributes);
    if (pending) await pending;
  }
}

/** The rounds of one attempt at one write. */
export class Rounds implements Reinvocation {
  isSecond = false;
  private isWanted = false;
  private states: Map<string, object> | undefined;

  request(): void {
    this.isWanted = true;
  }

  state<T extends object>(plugin: string, make: () => T): T {
    this.states ??= new Map();
    let found = this.states.get(plugin);
    if (!found) this.states.set(plugin, (found = make()));
    return found as T;
  }

  /** Runs the mutating half of `plugins`, and once more when one of them asks for it. */
  async run(plugins: readonly AdmissionPlugin[], attributes: AdmissionAttributes): Promise<void> {
    await admitAll(plugins, attributes);
    if (!this.isWanted) return;
    this.isSecond = true;
    await admitAll(plugins, attributes);
  }
}

/**
 * What those who call out (webhooks, policies) keep over both rounds, as upstream does: whoever wants to be asked again if
 * need be is, once somebody after it has changed the object.
 */
export class Recalls {
  private readonly asked = new Set<string>();
  private readonly again = new Set<string>();
  private seen = '';

  /** `id` was asked and wants to be asked again if somebody changes the object. */
  remember(id: string): void {
    this.asked.add(id);
  }

  /** The object was changed: everybody remembered so far is to be asked again. */
  changed(): void {
    for (const id of this.asked) this.again.add(id);
    this.asked.clear();
  }

  isWanted(id: string): boolean {
    return this.again.has(id);
  }

  /** At the start of the second round: have other plug-ins changed what the first one left? */
  compare(object: unknown): void {
    if (this.asked.size && this.seen !== JSON.stringify(object)) this.changed();
  }

  /** At the end of a round. */
  leave(object: unknown): void {
    this.seen = this.asked.size ? JSON.stringify(object) : '';
  }
}
