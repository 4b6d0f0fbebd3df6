export { authRoutes } from './auth-routes.ts';
export { engineId } from './engine-id.ts';
export { encodeEvent, eventRoutes, parseUnixTime } from './event-routes.ts';
export { type HostFacts, limitWarnings, readHostFacts } from './host-facts.ts';
export { swarmRoutes } from './swarm-routes.ts';
export { type ComponentVersion, type DiskUsage, type SystemRoutesOptions, systemRoutes } from './system-routes.ts';
