import { ARM_SYSCALLS } from './tables/arm.ts';
import { ARM64_SYSCALLS } from './tables/arm64.ts';
import { X32_SYSCALLS } from './tables/x32.ts';
import { X86_SYSCALLS } from './tables/x86.ts';
import { X86_64_SYSCALLS } from './tables/x86_64.ts';

/** What the compiler must know of one system call convention. */
export interface Architecture {
  /** The OCI name, for example `SCMP_ARCH_X86_64`. */
  readonly name: string;
  /** The kernel's `AUDIT_ARCH_*` value in `struct seccomp_data`. Two conventions may share one (x86_64 and x32). */
  readonly auditArch: number;
  /** Width of an argument that conditions compare. */
  readonly bits: 32 | 64;
  /** Added to each number of the table: the x32 bit or nothing. */
  readonly numberBase: number;
  readonly table: string;
}

/** Set in the number of every x32 system call. */
export const X32_SYSCALL_BIT = 0x4000_0000;

const EM_386 = 3;
const EM_ARM = 40;
const EM_X86_64 = 62;
const EM_AARCH64 = 183;
const AUDIT_ARCH_64BIT = 0x8000_0000;
const AUDIT_ARCH_LE = 0x4000_0000;

const ARCHITECTURES: readonly Architecture[] = [
  { name: 'SCMP_ARCH_X86_64', auditArch: AUDIT_ARCH_64BIT + AUDIT_ARCH_LE + EM_X86_64, bits: 64, numberBase: 0, table: X86_64_SYSCALLS },
  { name: 'SCMP_ARCH_X86', auditArch: AUDIT_ARCH_LE + EM_386, bits: 32, numberBase: 0, table: X86_SYSCALLS },
  { name: 'SCMP_ARCH_X32', auditArch: AUDIT_ARCH_64BIT + AUDIT_ARCH_LE + EM_X86_64, bits: 32, numberBase: X32_SYSCALL_BIT, table: X32_SYSCALLS },
  { name: 'SCMP_ARCH_AARCH64', auditArch: AUDIT_ARCH_64BIT + AUDIT_ARCH_LE + EM_AARCH64, bits: 64, numberBase: 0, table: ARM64_SYSCALLS },
  { name: 'SCMP_ARCH_ARM', auditArch: AUDIT_ARCH_LE + EM_ARM, bits: 32, numberBase: 0, table: ARM_SYSCALLS },
];

/**
 * Architectures of the specification whose system call tables this package does not have. A filter answers every call of an
 * architecture that it does not know by killing, so leaving one out of a filter never widens it.
 */
const FOREIGN = new Set(
  ['MIPS', 'MIPS64', 'MIPS64N32', 'MIPSEL', 'MIPSEL64', 'MIPSEL64N32', 'PPC', 'PPC64', 'PPC64LE', 'S390', 'S390X', 'PARISC', 'PARISC64', 'RISCV64', 'LOONGARCH64', 'M68K', 'SH', 'SHEB'].map(
    (name) => `SCMP_ARCH_${name}`,
  ),
);

/** The architectures that {@link compileSeccomp} makes rules for. */
export const SECCOMP_ARCHITECTURES: readonly string[] = ARCHITECTURES.map((architecture) => architecture.name);

/** Finds an architecture by its OCI name; `'foreign'` for one the specification knows and this package does not. */
export function findArchitecture(name: string): Architecture | 'foreign' | undefined {
  return ARCHITECTURES.find((architecture) => architecture.name === name) ?? (FOREIGN.has(name) ? 'foreign' : undefined);
}

/** The OCI name of the architecture that a Node `process.arch` word stands for. */
export function nativeArchitecture(arch: string = process.arch): string {
  const names: Record<string, string> = { x64: 'SCMP_ARCH_X86_64', ia32: 'SCMP_ARCH_X86', arm64: 'SCMP_ARCH_AARCH64', arm: 'SCMP_ARCH_ARM' };
  return names[arch] ?? `SCMP_ARCH_${arch.toUpperCase()}`;
}

const tables = new Map<Architecture, ReadonlyMap<string, number>>();

/** The numbers of an architecture's system calls by name. Parsed at first use. */
export function syscallNumbers(architecture: Architecture): ReadonlyMap<string, number> {
  let numbers = tables.get(architecture);
  if (numbers === undefined) {
    numbers = new Map(
      architecture.table
        .trim()
        .split(/\s+/)
        .map((entry) => {
          const colon = entry.lastIndexOf(':');
          return [entry.slice(0, colon), Number(entry.slice(colon + 1)) + architecture.numberBase];
        }),
    );
    tables.set(architecture, numbers);
  }
  return numbers;
}
