import { sha256 } from '@orrery/node-io/symmetric-crypto';
import { readTextFile } from '@orrery/node-io/text-file';
import { ConfigError, type Env } from '@orrery/runtime';
import type { HealthCheck } from '../server.ts';
import type { StoredResource } from '../storage/keys.ts';
import { loadEncryptionConfig } from './config.ts';
import { type Providers, makeProviders, ruleFor } from './providers.ts';
import { type Observe, type Transformer, firstWrites } from './transformer.ts';

/** How often the file is looked at. */
const reloadPeriodMs = 1_000;
/** How long a replaced configuration's plugins stay for what is under way. */
const graceMs = 30_000;

/** Encryption of what the store holds, as one configuration file says. */
export interface Encryption {
  /** How the values of a resource are kept; undefined: as they are. */
  transformerOf(resource: StoredResource): Transformer | undefined;
  checks(): readonly HealthCheck[];
  /** Asks the KMS plugins and, where told, follows the file, until `signal` aborts. */
  start(signal: AbortSignal): Promise<void>;
}

interface Settings {
  readonly encryptionProviderConfig: string;
  readonly encryptionProviderConfigAutomaticReload: boolean;
}

const durationBuckets = Array.from({ length: 14 }, (_, i) => 0.000_005 * 2 ** i);

/** Metrics of every value that is transformed. */
function observer(env: Env): (resource: string) => Observe {
  const operations = env.metrics.counter('apiserver_storage_transformation_operations_total', 'Total number of transformations. Successful transformation will have a status \'OK\' and a varied status string when the transformation fails. The status, resource, and transformation_type fields can be used for alerting purposes.');
  const durations = env.metrics.histogram('apiserver_storage_transformation_duration_seconds', 'Latencies in seconds of value transformation operations.', durationBuckets);
  return (resource) => ({ type, prefix, error, seconds }) => {
    operations.inc({ resource, transformation_type: type, transformer_prefix: prefix, status: error === undefined ? 'OK' : 'Unknown' });
    if (error === undefined) durations.observe(seconds, { transformation_type: type, transformer_prefix: prefix });
  };
}

interface Loaded {
  readonly text: string;
  readonly providers: Providers;
  /** Made when a resource is first met. */
  readonly transformers: Map<string, Transformer | undefined>;
}

class FileEncryption implements Encryption {
  private readonly env: Env;
  private readonly path: string;
  private readonly reload: boolean;
  private readonly observe: (resource: string) => Observe;
  private readonly reloads;
  private readonly lastReload;
  private readonly configInfo;
  private loaded: Loaded;
  private failedText = '';

  constructor(env: Env, settings: Settings) {
    this.env = env;
    this.path = settings.encryptionProviderConfig;
    this.reload = settings.encryptionProviderConfigAutomaticReload;
    this.observe = observer(env);
    const about = 'automatic reload of encryption configuration split by status and apiserver identity.';
    this.reloads = env.metrics.counter('apiserver_encryption_config_controller_automatic_reloads_total', `Total number of ${about.replace('reload', 'reloads')}`);
    this.lastReload = env.metrics.gauge('apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds', `Timestamp of the last successful or failed ${about}`);
    this.configInfo = env.metrics.gauge('apiserver_encryption_config_controller_last_config_info', 'Information about the last applied encryption configuration with hash as label, split by apiserver identity.');
    this.loaded = this.load(this.read());
    this.configInfo.set(1, { hash: `sha256:${sha256(this.loaded.text)}` });
  }

  transformerOf({ group, resource }: StoredResource): Transformer | undefined {
    const { transformers, providers } = this.loaded;
    const name = group ? `${resource}.${group}` : resource;
    const known = transformers.get(name);
    if (known || transformers.has(name)) return known;
    const rule = ruleFor(providers.byRule, { group, resource });
    const transformer = rule && firstWrites(rule, { noneFits: 'no matching prefix found', observe: this.observe(name), now: () => this.env.clock.monotonic() });
    transformers.set(name, transformer);
    return transformer;
  }

  checks(): readonly HealthCheck[] {
    const { plugins } = this.loaded.providers;
    const failures = plugins.map((plugin) => plugin.failure());
    // With reloading there may be another number of plugins tomorrow: one check speaks for all.
    if (this.reload) return [{ name: 'kms-providers', failure: failures.find((failure) => failure !== undefined), readinessOnly: false }];
    return failures.map((failure, i) => ({ name: `kms-provider-${i}`, failure, readinessOnly: false }));
  }

  async start(signal: AbortSignal): Promise<void> {
    const over = this.follow(this.loaded.providers, signal);
    await over.started;
    signal.addEventListener('abort', over.close, { once: true });
    if (this.reload) void this.watchFile(signal, over);
  }

  private read(): string {
    try {
      return readTextFile(this.path);
    } catch (error) {
      throw new ConfigError(`error opening encryption provider configuration file ${JSON.stringify(this.path)}: ${(error as Error).message}`);
    }
  }

  private load(text: string): Loaded {
    return { text, providers: makeProviders(this.env, loadEncryptionConfig(text, { from: this.path, reload: this.reload })), transformers: new Map() };
  }

  /** Keeps the plugins of one configuration going until it is closed. */
  private follow({ plugins }: Providers, signal: AbortSignal): { started: Promise<unknown>; close(): void } {
    const over = new AbortController();
    const started = Promise.all(plugins.map((plugin) => plugin.start(AbortSignal.any([signal, over.signal]))));
    const close = (): void => {
      over.abort(new Error('the encryption configuration is replaced'));
      for (const plugin of plugins) plugin.close();
    };
    return { started, close };
  }

  private async watchFile(signal: AbortSignal, first: { close(): void }): Promise<void> {
    let running = first;
    while (!signal.aborted) {
      await this.env.clock.sleep(reloadPeriodMs, signal).catch(() => undefined);
      if (!signal.aborted) running = await this.look(signal, running);
    }
  }

  /** Takes over what the file says now; what cannot work leaves everything as it is. */
  private async look(signal: AbortSignal, running: { close(): void }): Promise<{ close(): void }> {
    let text = '';
    let next: { started: Promise<unknown>; close(): void } | undefined;
    try {
      text = this.read();
      if (text === this.loaded.text || text === this.failedText) return running;
      const loaded = this.load(text);
      next = this.follow(loaded.providers, signal);
      await next.started;
      const failure = loaded.providers.plugins.map((plugin) => plugin.failure()).find((one) => one !== undefined);
      if (failure !== undefined) throw new Error(failure);
      this.loaded = loaded;
    } catch (error) {
      next?.close();
      // A plugin may come back; a file that is wrong stays so.
      this.failedText = error instanceof ConfigError ? text : '';
      this.record('failure');
      this.env.log.error('the encryption configuration could not be reloaded; the one before stays', { path: this.path, error });
      return running;
    }
    this.record('success');
    this.configInfo.set(1, { hash: `sha256:${sha256(text)}` });
    this.env.log.info('reloaded the encryption configuration', { path: this.path });
    this.env.clock.after(graceMs, () => running.close());
    signal.addEventListener('abort', next.close, { once: true });
    return next;
  }

  private record(status: 'success' | 'failure'): void {
    this.reloads.inc({ status });
    this.lastReload.set(this.env.clock.now() / 1000, { status });
  }
}

/** Undefined without a configuration file. Throws ConfigError for one that cannot work. */
export function encryptionOf(env: Env, settings: Settings): Encryption | undefined {
  return settings.encryptionProviderConfig ? new FileEncryption(env, settings) : undefined;
}
