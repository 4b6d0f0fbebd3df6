/** This package's version, which the API and `--version` tell. */
export const VERSION = '0.1.0';
/** What the API tells as revision: it says which implementation answers. */
export const REVISION = 'dray-containerd-0.1.0';
