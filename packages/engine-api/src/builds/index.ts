export { buildRoutes, type BuildRoutesOptions } from './build-routes.ts';
