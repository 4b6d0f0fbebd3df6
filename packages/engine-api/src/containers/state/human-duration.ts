const SECOND = 1;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A span of time as status lines show it: `5 minutes`, `About an hour`, `3 weeks`. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < MINUTE) return `${seconds} seconds`;
  return humanMinutes(Math.floor(seconds / MINUTE)) ?? humanHours(Math.round(seconds / HOUR), seconds);
}

function humanMinutes(minutes: number): string | undefined {
  if (minutes === 1) return 'About a minute';
  return minutes < 60 ? `${minutes} minutes` : undefined;
}

function humanHours(hours: number, seconds: number): string {
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  const whole = Math.floor(seconds / HOUR);
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(whole / (DAY / HOUR) / 365)} years`;
}
