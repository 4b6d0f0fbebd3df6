import type { Architecture } from './architectures.ts';
import type { Condition } from './conditions.ts';

/** The calls that 32-bit x86 also offers through `socketcall`, by its first argument. */
const SOCKETCALL: Readonly<Record<string, number>> = {
  socket: 1, bind: 2, connect: 3, listen: 4, accept: 5, getsockname: 6, getpeername: 7, socketpair: 8, send: 9, recv: 10,
  sendto: 11, recvfrom: 12, shutdown: 13, setsockopt: 14, getsockopt: 15, sendmsg: 16, recvmsg: 17, accept4: 18, recvmmsg: 19, sendmmsg: 20,
};
const SOCKETCALL_NUMBER = 102;

/** The calls that 32-bit x86 also offers through `ipc`, by its first argument. */
const IPC: Readonly<Record<string, number>> = {
  semop: 1, semget: 2, semctl: 3, semtimedop: 4, msgsnd: 11, msgrcv: 12, msgget: 13, msgctl: 14, shmat: 21, shmdt: 22, shmget: 23, shmctl: 24,
};
const IPC_NUMBER = 117;

/** Where an architecture offers a call a second time: behind a multiplexer, selected by the first argument. */
export function multiplexedCall(architecture: Architecture, name: string): { number: number; condition: Condition } | undefined {
  if (architecture.name !== 'SCMP_ARCH_X86') return undefined;
  if (Object.hasOwn(SOCKETCALL, name)) return { number: SOCKETCALL_NUMBER, condition: selects(SOCKETCALL[name]) };
  if (Object.hasOwn(IPC, name)) return { number: IPC_NUMBER, condition: selects(IPC[name]) };
  return undefined;
}

function selects(call: number | undefined): Condition {
  return { index: 0, op: 'SCMP_CMP_EQ', value: BigInt(call ?? 0), valueTwo: 0n };
}
