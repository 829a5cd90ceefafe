/** Of this build of Orrery. */
export const version = '0.1.0';
/** The Kubernetes whose behaviour it has. */
export const kubernetesVersion = 'v1.36.0';
