import type { CanarySettings } from '../annotations/settings.ts';
import type { ProxiedRequest } from '../proxy.ts';
import { cookieOf, headerOf } from './variables.ts';

/** Whether a request goes to the canary: the header decides, else the cookie, else the weight. `draw` is uniform in [0, 1). */
export function takesCanary(canary: CanarySettings, request: Pick<ProxiedRequest, 'headers'>, draw: () => number): boolean {
  if (canary.header) {
    const value = headerOf(request, canary.header);
    if (value !== undefined) {
      if (canary.headerValue) {
        if (value === canary.headerValue) return true;
      } else if (canary.headerPattern) {
        if (canary.headerPattern.test(value)) return true;
      } else if (value === 'always') return true;
      else if (value === 'never') return false;
    }
  }
  if (canary.cookie) {
    const value = cookieOf(request, canary.cookie);
    if (value === 'always') return true;
    if (value === 'never') return false;
  }
  return canary.weight > 0 && Math.floor(draw() * canary.weightTotal) < canary.weight;
}
