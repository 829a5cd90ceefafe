import type { ApiClient } from '@orrery/client';
import { type Pki, type ProgramPages, componentIdentity, servingCertificate, withSecureServing } from '@orrery/node-io';
import { type Component, type Env, resolveConfig, servingFlags } from '@orrery/runtime';
import { type ExtraConfig, extraSettings } from '../extra-config.ts';

interface SecurePort {
  readonly env: Env;
  /** As whom it asks who its clients are. */
  readonly api: ApiClient;
  readonly user: string;
  readonly pki: Pki;
  readonly extra: ExtraConfig;
  /** Addresses of the cluster, by name. */
  readonly found: Record<string, string>;
}

const local = '127.0.0.1';
const schema = servingFlags({ port: 0, tolerateLookupFailure: true });

/** A component of this process with the HTTPS port that it has as a program: a free one of the loopback, unless `--extra-config` names one. */
export function withSecurePort(component: Component & { readonly pages: ProgramPages }, { env, api, user, pki, extra, found }: SecurePort): Component {
  const { name } = component;
  const given = Object.fromEntries(Object.entries(extraSettings(name, extra)).filter(([key]) => key in schema));
  const settings = resolveConfig(schema, [given]);
  const isNamed = 'securePort' in given;
  if (isNamed && settings.securePort === 0) return component;
  const certificate = settings.tlsCertFile ? servingCertificate(settings, { name, nowMs: env.clock.now() }) : pki.servingCert(`component-${name}`, componentIdentity({ user, groups: [] }));
  const host = 'bindAddress' in given ? settings.bindAddress : local;
  // One that is started again is found where it was.
  const port = settings.securePort || Number(found[name]?.split(':').at(-1) ?? 0);
  const onListening = (open: number): void => void (found[name] = `${local}:${open}`);
  return withSecureServing(component, { env, settings, pages: component.pages, api, listen: { host, port, certificate }, onListening });
}
