import { type Applet, tool } from './applet.ts';
import { awk } from './awk/awk.ts';
import { basic } from './basic.ts';
import { dd } from './dd.ts';
import { diskTools } from './disk-tools.ts';
import { echo } from './echo.ts';
import { expr } from './expr.ts';
import { fileTools } from './file-tools.ts';
import { find } from './find.ts';
import { getent } from './getent.ts';
import { grep } from './grep.ts';
import { hashTools } from './hash-tools.ts';
import { httpd } from './httpd.ts';
import { networkTools } from './network-tools.ts';
import { printf } from './printf.ts';
import { sed } from './sed.ts';
import { sysctl } from './sysctl.ts';
import { systemTools } from './system-tools.ts';
import { tar } from './tar.ts';
import { textTools } from './text-tools.ts';
import { wget } from './wget.ts';

const all: Readonly<Record<string, Applet>> = {
  ...basic, ...fileTools, ...textTools, ...hashTools, ...systemTools, ...networkTools, ...diskTools,
  awk, dd, echo, expr, find, getent, grep, egrep: grep, fgrep: grep, httpd, printf, sed, sysctl, tar, wget,
};

/** Every tool by name; one group a file. */
export const applets: ReadonlyMap<string, Applet> = new Map(Object.entries(all).map(([name, applet]) => [name, tool(applet)]));
