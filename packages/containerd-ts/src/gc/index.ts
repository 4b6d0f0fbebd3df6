export { Collector, type CollectorDependencies, type Removed } from './collector.ts';
export { GcScheduler, SCHEDULER_DEFAULTS, type SchedulerOptions } from './scheduler.ts';
