export { freeRange } from '@orrery/testkit';
