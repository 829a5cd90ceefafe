/** Objects as the bench writes them. Its Pods are for a scheduler that does not exist, so that no cluster runs them. */

export function podBody(namespace: string, name: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: 'bench', 'pod-template-hash': '5d59d67564' }, annotations: { 'bench/run': name } },
    spec: {
      schedulerName: 'bench-none',
      automountServiceAccountToken: false,
      containers: [
        {
          name: 'main',
          image: 'registry.k8s.io/pause:3.10',
          ports: [{ containerPort: 8080, name: 'http' }],
          env: [{ name: 'MODE', value: 'bench' }, { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
          resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '32Mi' } },
        },
      ],
    },
  });
}

export function configMapBody(namespace: string, name: string, data: Readonly<Record<string, string>>): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data });
}

export const podsPath = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`;
export const configMapsPath = (namespace: string): string => `/api/v1/namespaces/${namespace}/configmaps`;
