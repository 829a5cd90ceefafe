export { kubeletEndpoint } from '@orrery/api';
