import { admissionPlugin } from './admission/index.ts';
import { aggregationPlugin } from './aggregation/index.ts';
import { frontProxyPlugin } from './authentication/request-header.ts';
import { authorizationPlugin } from './authorization/index.ts';
import { bootstrapPlugin } from './bootstrap/index.ts';
import { identityPlugin } from './identity/index.ts';
import { endpointsPlugin } from './endpoints/index.ts';
import type { PluginFactory } from './pipeline/index.ts';
import { serviceRepairPlugin } from './service-repair/index.ts';
import { streamingPlugin } from './streaming/index.ts';

/** Everything plugged into the request pipeline, in order: authenticators, authorizers and admission run in this order. */
export const plugins: readonly PluginFactory[] = [frontProxyPlugin, identityPlugin, authorizationPlugin, admissionPlugin, streamingPlugin, bootstrapPlugin, aggregationPlugin, endpointsPlugin, serviceRepairPlugin];
