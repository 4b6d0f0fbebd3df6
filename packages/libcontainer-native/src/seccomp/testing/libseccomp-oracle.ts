import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SeccompProfile } from '../profile.ts';

/** Builds the filter that libseccomp makes of a profile. `undefined` where libseccomp refuses it. */
export interface LibseccompOracle extends Disposable {
  compile(profile: SeccompProfile): Uint8Array | undefined;
}

/** Reads words from its input (default action, architectures, rules) and writes the exported BPF. It does what runc does with the library. */
const SOURCE = String.raw`
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <inttypes.h>
#include <errno.h>
int main(void) {
  char word[256];
  uint32_t def, action; int count; 
  if (scanf("%" SCNu32, &def) != 1) return 2;
  scmp_filter_ctx ctx = seccomp_init(def);
  if (!ctx) return 3;
  if (scanf("%d", &count) != 1) return 2;
  for (int i = 0; i < count; i++) {
    if (scanf("%255s", word) != 1) return 2;
    int rc = seccomp_arch_add(ctx, seccomp_arch_resolve_name(word));
    if (rc && rc != -EEXIST) return 4;
  }
  while (scanf("%255s %" SCNu32 " %d", word, &action, &count) == 3) {
    struct scmp_arg_cmp cmp[6];
    for (int i = 0; i < count; i++) {
      unsigned arg, op; uint64_t a, b;
      if (scanf("%u %u %" SCNu64 " %" SCNu64, &arg, &op, &a, &b) != 4) return 2;
      cmp[i] = (struct scmp_arg_cmp){ arg, op, a, b };
    }
    int nr = seccomp_syscall_resolve_name(word);
    if (nr == __NR_SCMP_ERROR) continue;
    if (seccomp_rule_add_array(ctx, action, nr, count, cmp)) return 5;
  }
  return seccomp_export_bpf(ctx, 1) ? 6 : 0;
}
`;

const OPERATOR_NUMBERS: Record<string, number> = {
  SCMP_CMP_NE: 1, SCMP_CMP_LT: 2, SCMP_CMP_LE: 3, SCMP_CMP_EQ: 4, SCMP_CMP_GE: 5, SCMP_CMP_GT: 6, SCMP_CMP_MASKED_EQ: 7,
};
const ARCH_NAMES: Record<string, string> = {
  SCMP_ARCH_X86_64: 'x86_64', SCMP_ARCH_X86: 'x86', SCMP_ARCH_X32: 'x32', SCMP_ARCH_AARCH64: 'aarch64', SCMP_ARCH_ARM: 'arm',
};
const LIBRARY_ACTIONS: Record<string, number> = {
  SCMP_ACT_KILL: 0, SCMP_ACT_KILL_THREAD: 0, SCMP_ACT_KILL_PROCESS: 0x80000000, SCMP_ACT_TRAP: 0x00030000, SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_TRACE: 0x7ff00000, SCMP_ACT_LOG: 0x7ffc0000, SCMP_ACT_ALLOW: 0x7fff0000, SCMP_ACT_NOTIFY: 0x7fc00000,
};

/** Why the oracle cannot be used on this machine, or `undefined` where it can. */
export function oracleMissing(): string | undefined {
  if (!existsSync('/usr/include/seccomp.h')) return 'libseccomp-dev is not installed';
  return existsSync('/usr/bin/gcc') ? undefined : 'gcc is not installed';
}

/** Compiles the helper; dispose of it to remove its folder. */
export function createLibseccompOracle(): LibseccompOracle {
  const folder = mkdtempSync(join(tmpdir(), 'dray-seccomp-'));
  const binary = join(folder, 'oracle');
  writeFileSync(`${binary}.c`, SOURCE);
  execFileSync('gcc', ['-O1', '-o', binary, `${binary}.c`, '-lseccomp']);
  return {
    compile: (profile) => runOracle(binary, profile),
    [Symbol.dispose]: () => {
      rmSync(folder, { recursive: true });
    },
  };
}

function runOracle(binary: string, profile: SeccompProfile): Uint8Array | undefined {
  try {
    return execFileSync(binary, { input: encodeProfile(profile), stdio: ['pipe', 'pipe', 'inherit'], maxBuffer: 1 << 20 });
  } catch (error) {
    if (error instanceof Error && 'status' in error && error.status === 5) return undefined;
    throw error;
  }
}

function encodeProfile(profile: SeccompProfile): string {
  const defaultValue = libraryAction(profile.defaultAction, profile.defaultErrnoRet);
  const architectures = (profile.architectures ?? []).map((name) => ARCH_NAMES[name] ?? name);
  const lines = [String(defaultValue), String(architectures.length), ...architectures];
  for (const rule of profile.syscalls ?? []) {
    const action = libraryAction(rule.action, rule.errnoRet);
    if (action === defaultValue) continue;
    const conditions = (rule.args ?? []).map((arg) => `${arg.index} ${OPERATOR_NUMBERS[arg.op] ?? 0} ${arg.value} ${arg.valueTwo ?? 0}`);
    const repeats = new Set((rule.args ?? []).map((arg) => arg.index)).size !== conditions.length;
    const alternatives = repeats ? conditions.map((condition) => [condition]) : [conditions];
    for (const name of rule.names) for (const list of alternatives) lines.push(`${name} ${action} ${list.length} ${list.join(' ')}`);
  }
  return `${lines.join('\n')}\n`;
}

function libraryAction(name: string, errnoRet: number | undefined): number {
  const base = LIBRARY_ACTIONS[name] ?? 0;
  return name === 'SCMP_ACT_ERRNO' || name === 'SCMP_ACT_TRACE' ? base + ((errnoRet ?? 1) & 0xffff) : base;
}
