/**
 * Values by key, of which at least the `capacity` latest are kept and at most twice as many. Two generations, so that to forget costs
 * nothing: a map that gives up its first key with every new one looks for it among all those that went before.
 */
export class Recent<V> {
  private readonly capacity: number;
  private young = new Map<string, V>();
  private old: Map<string, V> | undefined;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get(key: string): V | undefined {
    return this.young.get(key) ?? this.old?.get(key);
  }

  /** The key is the latest now. */
  set(key: string, value: V): void {
    if (this.young.size >= this.capacity && !this.young.has(key)) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, value);
  }

  delete(key: string): void {
    this.young.delete(key);
    this.old?.delete(key);
  }
}
