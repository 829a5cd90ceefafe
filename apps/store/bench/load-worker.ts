/** The load generator as a process of its own; see `LoadProcess`. */
import { type Order, carryOut } from './loads.ts';

process.on('message', (order: Order) => {
  carryOut(order).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String((error as Error).stack ?? error) }),
  );
});
process.on('disconnect', () => process.exit(0));
