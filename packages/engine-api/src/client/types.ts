/** What a client sends and reads of Docker's API objects: the fields this client uses. */

export interface ContainerSummary {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Image: string;
  readonly Command: string;
  readonly Created: number;
  readonly Ports: readonly { readonly IP?: string; readonly PrivatePort: number; readonly PublicPort?: number; readonly Type: string }[];
  readonly State: string;
  readonly Status: string;
  readonly Labels: Readonly<Record<string, string>>;
}

export interface ImageSummary { readonly Id: string; readonly RepoTags: readonly string[] | null; readonly RepoDigests: readonly string[] | null; readonly Created: number; readonly Size: number }

export interface ContainerInspect { readonly Id: string; readonly Name: string; readonly State: { readonly Status: string; readonly Running: boolean; readonly ExitCode: number; readonly Pid: number }; readonly Config: { readonly Tty: boolean; readonly OpenStdin: boolean } }

export interface ExecInspect { readonly ID: string; readonly Running: boolean; readonly ExitCode: number | null }

export interface VersionInfo { readonly Version: string; readonly ApiVersion: string; readonly MinAPIVersion: string; readonly Os: string; readonly Arch: string; readonly KernelVersion: string; readonly Components?: readonly { readonly Name: string; readonly Version: string }[] }

/** One line of a progress stream (pull, push, load). */
export interface ProgressMessage {
  readonly id?: string;
  readonly status?: string;
  readonly stream?: string;
  readonly progress?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly error?: string;
  readonly errorDetail?: { readonly message: string };
  readonly aux?: unknown;
}

/** The body of a container to create: Docker's Config with HostConfig and NetworkingConfig. */
export type ContainerCreateBody = Readonly<Record<string, unknown>> & { readonly Image: string };
