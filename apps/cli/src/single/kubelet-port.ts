import { type HttpHandler, type Pki, serveHttpOver } from '@orrery/node-io';
import type { NetStack } from '@orrery/vnet';

/** Where each node of the emulated network has its kubelet. */
export const nodeKubeletPort = 10_250;

/**
 * The kubelet's port on a node of the emulated network, for pods that ask kubelets at their nodes' addresses. The API server and others on this
 * machine go by the endpoint that all nodes share. Certificate and server are made when somebody first connects.
 */
export function kubeletPort(host: NetStack, node: { readonly name: string; readonly ips: readonly string[]; readonly pki: Pki; readonly handler: () => HttpHandler }): { close(): Promise<void> } {
  const { name, ips, pki, handler } = node;
  let server: ReturnType<typeof serveHttpOver> | undefined;
  const serve = (): ReturnType<typeof serveHttpOver> => {
    const { cert, key } = pki.servingCert(`kubelet-${name}`, { subject: { commonName: `system:node:${name}`, organizations: ['system:nodes'] }, altNames: { dnsNames: [name], ipAddresses: [...ips] } });
    return serveHttpOver({ handler: handler(), tls: { cert, key, clientCa: pki.caCert } });
  };
  const listener = host.listen({ ip: '', port: nodeKubeletPort }, (conn) => (server ??= serve()).accept(conn));
  return {
    async close() {
      listener.close();
      await server?.close();
    },
  };
}
