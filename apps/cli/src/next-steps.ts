import type { DataDir } from './data-dir.ts';

/** What `up` prints at the end: how long it took, where things are, what to type next. */
export function nextSteps(input: {
  readonly dir: DataDir;
  readonly seconds: number;
  readonly kubeconfig: string;
  readonly endpoints: Readonly<Record<string, string>>;
  readonly foreground: boolean;
}): string {
  const { dir, seconds, kubeconfig, endpoints, foreground } = input;
  const width = Math.max(...['kubeconfig', ...Object.keys(endpoints)].map((name) => name.length));
  const rows = Object.entries(endpoints).map(([name, address]) => `  ${name.padEnd(width)} ${address}`);
  return [
    '',
    `Ready in ${seconds.toFixed(2)} s.`,
    '',
    ...rows,
    `  ${'kubeconfig'.padEnd(width)} ${kubeconfig}`,
    '',
    'Next:',
    `  export KUBECONFIG=${kubeconfig}`,
    '  kubectl get nodes',
    '  kubectl create deployment web --image=nginx --replicas=3',
    '  kubectl expose deployment web --port=80 --type=NodePort',
    '',
    foreground ? 'Ctrl-C stops the cluster.' : `\`orrery down --data-dir ${dir.root}\` stops the cluster, \`orrery status --data-dir ${dir.root}\` shows it.`,
    '',
  ].join('\n');
}
