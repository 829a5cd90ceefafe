export { deepEqual } from '@orrery/apimachinery';
