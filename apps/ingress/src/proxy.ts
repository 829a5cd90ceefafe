/** The contract of the data plane; the built-in one is `createReverseProxy` of @orrery/node-io. */
export type { Attempt, ForwardPlan, PresentedCertificate, ProxiedRequest, ProxyHeaders, ProxyRecord, ProxyVerdict, ReverseProxy, ReverseProxyHandlers } from '@orrery/node-io';
