export { formatGoDuration, parseGoDuration } from '@orrery/runtime';
