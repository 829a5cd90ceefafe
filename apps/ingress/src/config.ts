import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of the ingress controller. */
export const ingressSchema = {
  host: { type: 'string', default: '127.0.0.1', help: 'address of this machine to listen on' },
  httpPort: { type: 'number', default: 8080, help: 'port for HTTP; 0 picks one' },
  httpsPort: { type: 'number', default: 8443, help: 'port for HTTPS; 0 picks one' },
  ingressClass: { type: 'string', default: 'nginx', help: 'IngressClass that is made when missing' },
  controllerClass: { type: 'string', default: 'k8s.io/ingress-nginx', help: 'spec.controller of the IngressClasses to serve' },
  controllerPod: { type: 'string', default: 'ingress-nginx-controller', help: 'what its metrics name it by (controller_pod), where several run' },
  defaultCert: { type: 'string', default: '', help: 'file with the certificate for hosts that have none (PEM); default: one made at the start, as ingress-nginx does' },
  defaultKey: { type: 'string', default: '', help: 'file with the key of --default-cert (PEM)' },
  watchIngressWithoutClass: { type: 'boolean', default: true, help: 'make the class the default one, so that Ingresses that name none are served too' },
  dataPlane: { type: 'string', default: 'builtin', choices: ['builtin', 'nginx'], help: 'what carries requests: the built-in proxy, or nginx of this machine' },
  configmap: { type: 'string', default: 'ingress-nginx/ingress-nginx-controller', help: 'namespace/name of the ConfigMap with global settings, which are applied while it runs' },
  tcpServicesConfigmap: { type: 'string', default: 'ingress-nginx/tcp-services', help: 'namespace/name of the ConfigMap with TCP services, PORT: namespace/service:port each' },
  udpServicesConfigmap: { type: 'string', default: 'ingress-nginx/udp-services', help: 'the same of UDP services' },
  accessLog: { type: 'boolean', default: true, help: 'log requests, in the format of log-format-upstream' },
  publishStatusAddress: { type: 'string', default: '', help: 'addresses or host names written into the status of Ingresses, with commas; default: the host' },
  address: { type: 'string', default: '10.240.0.80', help: 'its address in the emulated network' },
} as const satisfies ConfigSchema;

export type IngressConfig = ConfigOf<typeof ingressSchema>;
