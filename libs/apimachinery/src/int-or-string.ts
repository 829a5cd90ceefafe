export type IntOrString = number | string;

/**
 * A number as it is, a percentage of `total` rounded as asked; upstream's GetScaledValueFromIntOrPercent. Throws where
 * the text is no percentage.
 */
export function scaledValue(value: IntOrString, total: number, round: 'up' | 'down'): number {
  if (typeof value === 'number') return value;
  const percent = /^([0-9]+)%$/.exec(value)?.[1];
  if (percent === undefined) {
    throw new Error(`invalid value for IntOrString: invalid type: ${value.endsWith('%') ? 'invalid value' : 'string is not a percentage'}`);
  }
  const exact = (Number(percent) * total) / 100;
  return round === 'up' ? Math.ceil(exact) : Math.floor(exact);
}

/** A port by number, or its number as text. */
export function intValue(value: IntOrString): number {
  return typeof value === 'number' ? value : Number.parseInt(value, 10) || 0;
}
