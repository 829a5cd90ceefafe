import { type Applet, tool } from './applet.ts';
import { basic } from './basic.ts';
import { echo } from './echo.ts';
import { printf } from './printf.ts';

/** Every tool by name; one group a file. */
export const applets: ReadonlyMap<string, Applet> = new Map(
  Object.entries({ ...basic, echo: echo as Applet, printf: printf as Applet }).map(([name, applet]) => [name, tool(applet)]),
);
