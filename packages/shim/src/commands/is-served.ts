import { connect } from 'node:net';

/** Whether somebody listens there, even if he has not accepted yet. */
export function isServed(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => { resolve(false); });
  });
}
