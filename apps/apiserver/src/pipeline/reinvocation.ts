import type { AdmissionAttributes, AdmissionPlugin, Reinvocation } from './admission.ts';

/**
 * Asks plug-ins one after the other. Most answer at once, so a promise is made only where one has to be waited for; what a plug-in
 * throws before that is thrown.
 */
export function askAll(plugins: readonly AdmissionPlugin[], half: 'admit' | 'validate', attributes: AdmissionAttributes, from = 0): Promise<void> | void {
  for (let i = from; i < plugins.length; i++) {
    const pending = plugins[i]?.[half]?.(attributes);
    if (pending) return pending.then(() => askAll(plugins, half, attributes, i + 1));
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

  /** Runs the mutating half of `plugins`, and once more when one of them asks for it. Throws, or rejects, what refuses. */
  run(plugins: readonly AdmissionPlugin[], attributes: AdmissionAttributes): Promise<void> | void {
    const pending = askAll(plugins, 'admit', attributes);
    return pending ? pending.then(() => this.again(plugins, attributes)) : this.again(plugins, attributes);
  }

  private again(plugins: readonly AdmissionPlugin[], attributes: AdmissionAttributes): Promise<void> | void {
    if (!this.isWanted) return;
    this.isSecond = true;
    return askAll(plugins, 'admit', attributes);
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
